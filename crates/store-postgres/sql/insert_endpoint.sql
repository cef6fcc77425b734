-- The catalog's version row is locked, so the count holds.
INSERT INTO posthaste.endpoint
    (id, tenant, uid, adhoc, settings, topics, state, state_reason, challenge, secrets, revision, created_at, updated_at)
SELECT $1::uuid, $2::text, $3::text, $4::bool, $5::text, $6::text[], $7::text, $8::text, $9::text, $10::bytea, $11::integer,
    $12::bigint, $13::bigint
WHERE $14::bigint IS NULL
    OR $14 > (SELECT count(*) FROM (SELECT FROM posthaste.endpoint WHERE tenant = $2 AND adhoc LIMIT $14) counted)
    OR EXISTS (SELECT FROM posthaste.endpoint WHERE id = $1)
RETURNING id
