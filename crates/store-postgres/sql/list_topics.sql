SELECT id, tenant, name, details, revision, created_at, updated_at FROM posthaste.topic
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR tenant IN ('', $2))
ORDER BY id DESC LIMIT $3
