UPDATE posthaste.schedule SET tenant = $2, uid = $3, settings = $4, next_fire_at = $5, last_fire_at = $6, revision = $7,
    updated_at = $8
WHERE id = $1 AND revision = $7 - 1
RETURNING id
