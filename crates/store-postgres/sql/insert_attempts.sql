-- The ids that are new. With a node given, only while its fence stands.
WITH fresh AS (
    INSERT INTO posthaste.attempt (id, endpoint, at, duration_micros, revision, number, outcome, status, tenant, error)
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
        $8::smallint[], $9::smallint[], $10::text[], $11::text[])
    WHERE $1::uuid IS NULL OR EXISTS (SELECT FROM posthaste.node WHERE id = $1)
    ON CONFLICT DO NOTHING
    RETURNING id
),
responses AS (
    INSERT INTO posthaste.capture (id, response)
    SELECT c.id, c.response FROM unnest($12::uuid[], $13::bytea[]) AS c (id, response) JOIN fresh USING (id)
    ON CONFLICT DO NOTHING
)
SELECT id FROM fresh
