SELECT id, batch, deliver_at, tenant, topic, content_type, targets, extras FROM posthaste.message
WHERE tenant = $4 AND id < $1 AND id >= $2
ORDER BY id DESC LIMIT $3
