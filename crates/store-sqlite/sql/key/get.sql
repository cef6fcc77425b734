SELECT id, hash, name, scopes, tenant, expires_at, last_used_at, created_at FROM api_key WHERE id = ?1;
