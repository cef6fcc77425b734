INSERT INTO uid (tenant, kind, uid, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING;
