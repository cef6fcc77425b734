SELECT id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at FROM posthaste.job WHERE id = $1
