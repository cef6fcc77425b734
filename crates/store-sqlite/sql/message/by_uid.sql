SELECT m.id, m.tenant, m.topic, m.content_type, m.targets, m.batch, m.deliver_at, m.extras
FROM uid u JOIN message m ON m.id = u.id
WHERE u.tenant = ?1 AND u.kind = 'message' AND u.uid = ?2;
