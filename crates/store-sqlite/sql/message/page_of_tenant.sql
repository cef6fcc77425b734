SELECT id, tenant, topic, content_type, targets, batch, deliver_at, extras FROM message
WHERE tenant = ?3 AND id < ?1 AND id >= ?2 ORDER BY id DESC;
