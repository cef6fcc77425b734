SELECT id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at FROM posthaste.schedule
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR tenant = $2)
ORDER BY id DESC LIMIT $3
