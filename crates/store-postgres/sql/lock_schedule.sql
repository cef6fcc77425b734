SELECT revision, next_fire_at FROM posthaste.schedule WHERE id = $1 FOR UPDATE
