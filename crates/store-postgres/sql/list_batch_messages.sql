-- Messages whose batch is there. The caller looks no further back than the oldest batch.
SELECT id, batch, deliver_at, tenant, topic, content_type, targets, extras FROM posthaste.message m
WHERE id < $1 AND id >= $2
    AND ($4::text IS NULL OR tenant = $4)
    AND EXISTS (SELECT FROM posthaste.batch b WHERE b.id = m.batch)
ORDER BY id DESC LIMIT $3
