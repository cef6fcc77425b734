SELECT id FROM posthaste.due WHERE endpoint = $4 AND id < $1 AND id >= $2 ORDER BY id DESC LIMIT $3
