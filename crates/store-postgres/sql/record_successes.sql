-- A flush of nothing but first-time successes, in one statement. If the fence is gone or somebody cancelled something in
-- one of the batches, it writes nothing and says so: the long way sorts that out.
WITH fence AS MATERIALIZED (
    SELECT id FROM posthaste.node WHERE id = $1 FOR SHARE
),
locked AS MATERIALIZED (
    -- A cancel locks the same rows: it comes before, and its flag is seen here (the newest version of a locked row is
    -- read), or it comes after and sees these successes.
    SELECT id, cancelled FROM posthaste.batch WHERE id = ANY ($2) AND EXISTS (SELECT FROM fence) ORDER BY id FOR UPDATE
),
clear AS MATERIALIZED (
    SELECT 1 FROM fence WHERE NOT EXISTS (SELECT FROM locked WHERE cancelled)
),
fresh AS (
    INSERT INTO posthaste.attempt (id, endpoint, at, duration_micros, revision, number, outcome, status, tenant, error)
    SELECT * FROM unnest($4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[], $8::integer[], $9::integer[],
        $10::smallint[], $11::smallint[], $12::text[], $13::text[])
    WHERE EXISTS (SELECT FROM clear)
    ON CONFLICT DO NOTHING
    RETURNING 1
),
responses AS (
    INSERT INTO posthaste.capture (id, response)
    SELECT * FROM unnest($14::uuid[], $15::bytea[]) WHERE EXISTS (SELECT FROM fresh)
    ON CONFLICT DO NOTHING
),
finished AS (
    DELETE FROM posthaste.batch WHERE id = ANY ($3) AND EXISTS (SELECT FROM clear)
)
SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM clear)
