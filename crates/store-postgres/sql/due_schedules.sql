SELECT id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at FROM posthaste.schedule WHERE next_fire_at <= $1 ORDER BY next_fire_at LIMIT $2
