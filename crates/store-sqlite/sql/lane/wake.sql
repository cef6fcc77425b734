-- A lane's time only comes forward here.
INSERT INTO lane (endpoint, ord, shard, tenant, next_at, writes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET next_at = min(next_at, excluded.next_at), writes = writes + excluded.writes;
