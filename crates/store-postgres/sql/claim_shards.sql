UPDATE posthaste.shard s SET node = $1
FROM (
    SELECT f.shard FROM posthaste.shard f
    WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = f.node)
    ORDER BY f.shard LIMIT $2 FOR UPDATE OF f SKIP LOCKED
) free
WHERE s.shard = free.shard
RETURNING s.shard
