INSERT INTO posthaste.schedule (id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at)
VALUES ($1, nextval('posthaste.schedule_number'), $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at
