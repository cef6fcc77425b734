-- A shard that is free: of nobody, or of a node whose fence is gone.
-- Not a join: when another has taken the row since the snapshot, its new owner has to be looked up anew, and PostgreSQL
-- does that for a subquery in the condition but not for the other side of a join.
UPDATE posthaste.shard s SET node = $1
FROM (
    SELECT f.shard FROM posthaste.shard f
    WHERE (SELECT n.id FROM posthaste.node n WHERE n.id = f.node) IS NULL
    ORDER BY f.shard LIMIT $2 FOR UPDATE OF f SKIP LOCKED
) free
WHERE s.shard = free.shard
RETURNING s.shard
