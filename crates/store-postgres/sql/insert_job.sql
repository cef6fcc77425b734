INSERT INTO posthaste.job (id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at)
SELECT $1::uuid, $2::smallint, $3::text, $4::uuid, $5::text, $6::smallint, $7::uuid, $8::bigint, $9::bigint, $10::bigint, $11::bigint
-- State 1: running.
WHERE (SELECT count(*) FROM posthaste.job WHERE state = 1) < $12::bigint
RETURNING id
