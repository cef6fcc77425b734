-- A lane's time only comes forward here. Its count begins anywhere: one that went away and came back is another lane, and
-- must not be put to rest by whoever saw the first one.
INSERT INTO lane (endpoint, ord, shard, tenant, next_at, writes)
VALUES (?1, ?2, ?3, ?4, ?5, (random() & 0x0fffffffffffffff) + ?6)
ON CONFLICT DO UPDATE SET next_at = min(next_at, excluded.next_at), writes = writes + ?6;
