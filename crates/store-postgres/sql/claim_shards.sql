UPDATE posthaste.shard s SET node = $1
WHERE s.shard = ANY ($2) AND NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = s.node)
RETURNING s.shard
