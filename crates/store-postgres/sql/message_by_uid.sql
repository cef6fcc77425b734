SELECT m.id, m.batch, m.deliver_at, m.tenant, m.topic, m.content_type, m.targets, m.extras
FROM posthaste.uid u JOIN posthaste.message m ON m.id = u.id
WHERE u.tenant = $1 AND u.kind = 'message' AND u.uid = $2
