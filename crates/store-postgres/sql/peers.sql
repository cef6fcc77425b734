SELECT n.id, n.number, b.beat, b.heartbeat_at, b.applied, (SELECT count(*) FROM posthaste.shard s WHERE s.node = n.id),
    n.version, n.roles
FROM posthaste.node n JOIN posthaste.beat b ON b.node = n.id
ORDER BY n.number
