-- Newest first from the one partition that `before` points into, and on into older ones only as the page needs it.
SELECT id, batch, deliver_at, tenant, topic, content_type, targets, extras FROM posthaste.message
WHERE id < $1 AND id >= $2
ORDER BY id DESC LIMIT $3
