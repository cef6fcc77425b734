-- Messages whose batch is there; none is older than the oldest batch.
SELECT id, batch, deliver_at, tenant, topic, content_type, targets, extras FROM posthaste.message m
WHERE id < $1 AND id >= greatest($2::uuid, (SELECT b.id FROM posthaste.batch b ORDER BY b.id LIMIT 1))
    AND ($4::text IS NULL OR tenant = $4)
    AND EXISTS (SELECT FROM posthaste.batch b WHERE b.id = m.batch)
ORDER BY id DESC LIMIT $3
