INSERT INTO message (id, tenant, topic, content_type, targets, batch, deliver_at, extras, origin, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT DO NOTHING;
