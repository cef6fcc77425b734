-- Both sides are given the ids, so that both look only into the partitions that these name.
SELECT m.id, m.batch, m.deliver_at, m.tenant, m.topic, m.content_type, m.targets, m.extras, p.body
FROM posthaste.message m
LEFT JOIN (SELECT id, body FROM posthaste.payload WHERE id = ANY ($1)) p ON p.id = m.id
WHERE m.id = ANY ($1)
