SELECT id, endpoint FROM posthaste.due WHERE tenant = $1 AND id >= $2 AND id <= $3 ORDER BY id LIMIT $4
