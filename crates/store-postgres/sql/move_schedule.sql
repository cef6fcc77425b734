UPDATE posthaste.schedule SET next_fire_at = $2, last_fire_at = coalesce($3, last_fire_at) WHERE id = $1
