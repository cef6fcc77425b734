INSERT INTO outbox (id, at, draft) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING;
