SELECT id, tenant, uid, adhoc, settings, state, state_reason, challenge, secrets, revision, created_at, updated_at FROM posthaste.endpoint WHERE tenant = $1 AND uid = $2
