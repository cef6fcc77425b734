SELECT n.id, n.number, n.beat, n.heartbeat_at, n.applied, n.version, n.roles,
       (SELECT count(*) FROM shard s WHERE s.node = n.id)
FROM node n ORDER BY n.id;
