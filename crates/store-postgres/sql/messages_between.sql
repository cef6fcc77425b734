SELECT m.id, m.batch, m.deliver_at, m.tenant, m.topic, m.content_type, m.targets, m.extras, p.body
FROM posthaste.message m LEFT JOIN posthaste.payload p ON p.id = m.id
WHERE m.id >= $1 AND m.id < $2 AND m.batch = $3
ORDER BY m.id
