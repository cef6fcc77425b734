INSERT INTO posthaste.api_key (id, name, hash, scopes, tenant, expires_at, last_used_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
