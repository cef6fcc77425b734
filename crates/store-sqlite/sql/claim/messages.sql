SELECT id, tenant, topic, content_type, targets, batch, deliver_at, extras, payload FROM message
WHERE id >= ?1 AND id < ?2 AND batch = ?1 ORDER BY id;
