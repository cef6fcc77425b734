SELECT id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at FROM posthaste.schedule WHERE id = $1
