-- Free ones; those that another node is claiming are passed over. `claim_shards.sql` looks again, under the locks.
SELECT s.shard FROM posthaste.shard s
WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = s.node)
ORDER BY s.shard
LIMIT $1
FOR UPDATE OF s SKIP LOCKED
