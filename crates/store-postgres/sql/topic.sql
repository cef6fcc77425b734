SELECT id, tenant, name, details, revision, created_at, updated_at FROM posthaste.topic WHERE tenant = $1 AND name = $2
