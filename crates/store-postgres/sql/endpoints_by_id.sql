SELECT id, tenant, uid, adhoc, settings, state, state_reason, challenge, secrets, revision, created_at, updated_at FROM posthaste.endpoint
WHERE id = ANY ($1) AND ($2::text IS NULL OR tenant = $2)
