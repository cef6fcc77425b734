SELECT id, name, hash, scopes, tenant, expires_at, last_used_at, created_at FROM posthaste.api_key
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR tenant = $2)
ORDER BY id DESC LIMIT $3
