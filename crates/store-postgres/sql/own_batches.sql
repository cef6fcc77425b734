UPDATE posthaste.batch SET node = $1 WHERE id = ANY ($2)
