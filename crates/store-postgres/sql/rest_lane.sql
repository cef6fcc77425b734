-- Everybody who adds to a lane bumps `writes` under the row's lock, and holds it to the commit. So if `writes` is as it
-- was seen once the row is ours, the snapshot of this statement has every row of the lane.
WITH fence AS MATERIALIZED (
    SELECT id FROM posthaste.node WHERE id = $1 FOR SHARE
),
empty AS (
    -- A held lane stays, to hold what comes.
    DELETE FROM posthaste.lane l
    WHERE l.endpoint = $2 AND l.ord = $3 AND l.writes = $4 AND NOT l.hold AND EXISTS (SELECT FROM fence)
        AND NOT EXISTS (SELECT FROM posthaste.due d WHERE d.endpoint = $2 AND d.ord = $3)
    RETURNING 1
),
rested AS (
    UPDATE posthaste.lane l
    SET next_at = coalesce($5::bigint, CASE WHEN $3 = 0
        THEN (SELECT min(d.due_at) FROM posthaste.due d WHERE d.endpoint = $2 AND d.ord = 0 AND d.due_at > $6)
        ELSE (SELECT d.due_at FROM posthaste.due d
            WHERE d.endpoint = $2 AND d.ord = $3 AND d.ord <> 0 ORDER BY d.seq LIMIT 1) END,
        $7)
    WHERE l.endpoint = $2 AND l.ord = $3 AND l.writes = $4 AND EXISTS (SELECT FROM fence)
        AND NOT EXISTS (SELECT FROM empty)
    RETURNING 1
)
SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM empty) OR EXISTS (SELECT FROM rested)
