SELECT id, name, hash, scopes, tenant, expires_at, last_used_at, created_at FROM posthaste.api_key WHERE hash = $1
