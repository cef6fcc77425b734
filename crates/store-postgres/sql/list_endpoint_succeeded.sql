SELECT id FROM posthaste.attempt WHERE endpoint = $4 AND outcome = 0 AND id < $1 AND id >= $2 ORDER BY id DESC LIMIT $3
