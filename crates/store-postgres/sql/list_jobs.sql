SELECT id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at FROM posthaste.job
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::smallint IS NULL OR kind = $2) AND ($3::text IS NULL OR tenant = $3)
    AND ($4::uuid IS NULL OR endpoint = $4) AND ($5::smallint IS NULL OR state = $5)
ORDER BY id DESC LIMIT $6
