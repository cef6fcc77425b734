SELECT coalesce(max(number), 0) FROM posthaste.attempt WHERE id >= $1 AND id <= $2
