SELECT id, tenant, uid, adhoc, settings, state, state_reason, challenge, secrets, revision, created_at, updated_at FROM posthaste.endpoint
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR tenant = $2) AND ($3 OR topics && $4::text[])
    AND ($5::text IS NULL OR state = $5) AND adhoc = $6
ORDER BY id DESC LIMIT $7
