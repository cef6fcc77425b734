UPDATE posthaste.endpoint SET tenant = $2, uid = $3, adhoc = $4, settings = $5, topics = $6, state = $7, state_reason = $8,
    challenge = $9, secrets = $10, revision = $11, created_at = $12, updated_at = $13
WHERE id = $1 AND revision = $11 - 1
RETURNING id
