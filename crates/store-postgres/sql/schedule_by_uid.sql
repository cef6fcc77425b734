SELECT id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at FROM posthaste.schedule WHERE tenant = $1 AND uid = $2
