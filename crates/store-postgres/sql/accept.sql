-- Stores messages with all that hangs on them, in one statement: one round trip, and a transaction of its own where
-- nothing else belongs to it. Everything hangs on the messages that are newly inserted (`fresh`), so the same call again,
-- after a COMMIT whose reply was lost, writes nothing.
WITH fence AS MATERIALIZED (
    -- The node's row in share: a take-over waits for this commit, or we wait for it and find nothing.
    SELECT id FROM posthaste.node WHERE id = $1 FOR SHARE
),
guard AS MATERIALIZED (
    -- Not locked: share locks that overlap without end would starve the catalog's writers. Whoever was answered before
    -- this statement began is seen by its snapshot, and that is all that is promised.
    SELECT 1 FROM fence
    WHERE $2::bigint IS NULL OR EXISTS (SELECT FROM posthaste.catalog_version WHERE version = $2)
),
fresh AS (
    INSERT INTO posthaste.message (id, batch, deliver_at, tenant, topic, content_type, targets, extras)
    SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[])
    WHERE EXISTS (SELECT FROM guard)
    ON CONFLICT DO NOTHING
    RETURNING id
),
bodies AS (
    -- All of the messages are fresh or none is (the last line sees to it), so no join has to find out which.
    INSERT INTO posthaste.payload (id, body)
    SELECT * FROM unnest($3::uuid[], $11::bytea[]) WHERE EXISTS (SELECT FROM fresh)
),
expiring AS (
    -- Only of messages that say when they expire.
    INSERT INTO posthaste.expiring (at, id, tenant)
    SELECT * FROM unnest($33::bigint[], $34::uuid[], $35::text[]) WHERE EXISTS (SELECT FROM fresh)
    ON CONFLICT DO NOTHING
),
owned AS (
    INSERT INTO posthaste.batch (id, node) SELECT $12::uuid, $13::uuid WHERE $12 IS NOT NULL AND EXISTS (SELECT FROM fresh)
),
lanes AS (
    -- In the order of their keys, as every transaction that touches several. The row's lock is held to the commit, so in
    -- an ordered lane the order of commits is the order of `seq`. A new lane counts its places, and its writes, from the
    -- clock, above whatever an earlier one of the same key had.
    INSERT INTO posthaste.lane AS l (endpoint, ord, shard, tenant, next_at, next_seq, writes, hold)
    SELECT endpoint, ord, shard, tenant, next_at,
        (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + places, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint, hold
    FROM unnest($14::uuid[], $15::bigint[], $16::smallint[], $17::text[], $18::bigint[], $19::bigint[], $20::bool[])
        AS w (endpoint, ord, shard, tenant, next_at, places, hold)
    WHERE EXISTS (SELECT FROM fresh)
    ORDER BY endpoint, ord
    ON CONFLICT (endpoint, ord) DO UPDATE SET
        next_at = least(l.next_at, excluded.next_at),
        next_seq = l.next_seq + excluded.next_seq - (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
        writes = l.writes + 1,
        hold = l.hold OR excluded.hold
    RETURNING endpoint, ord, next_seq
),
waiting AS (
    INSERT INTO posthaste.due (id, endpoint, due_at, ord, seq, attempts, failures, waiting_for, tenant)
    SELECT id, endpoint, due_at, 0, 0, 0, 0, waiting_for, tenant
    FROM unnest($21::uuid[], $22::uuid[], $23::bigint[], $24::smallint[], $25::text[])
        AS d (id, endpoint, due_at, waiting_for, tenant)
    WHERE EXISTS (SELECT FROM fresh)
),
in_order AS (
    -- `places_left`: how many of this call's places in the lane are not before this one.
    INSERT INTO posthaste.due (id, endpoint, due_at, ord, seq, attempts, failures, waiting_for, tenant)
    SELECT d.id, d.endpoint, d.due_at, d.ord, lanes.next_seq - d.places_left, 0, 0, d.waiting_for, d.tenant
    FROM unnest($26::uuid[], $27::uuid[], $28::bigint[], $29::smallint[], $30::text[], $31::bigint[], $32::bigint[])
        AS d (id, endpoint, due_at, waiting_for, tenant, ord, places_left)
    JOIN lanes ON lanes.endpoint = d.endpoint AND lanes.ord = d.ord
)
SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM guard),
    -- Some fresh and some not: an id was used twice. The division undoes the statement.
    CASE WHEN (SELECT count(*) FROM fresh) IN (0, cardinality($3::uuid[])) THEN (SELECT count(*) FROM fresh)
        ELSE 1 / (SELECT count(*) * 0 FROM fresh) END
