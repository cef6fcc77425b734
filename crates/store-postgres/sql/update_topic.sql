UPDATE posthaste.topic SET details = $3, revision = $4, updated_at = $5
WHERE tenant = $1 AND name = $2 AND revision = $4 - 1
RETURNING id
