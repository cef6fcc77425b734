INSERT INTO posthaste.lane AS l (endpoint, ord, shard, tenant, next_at, next_seq, writes)
VALUES ($1, $2, $3, $4, $5, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
    (extract(epoch FROM statement_timestamp()) * 1000000)::bigint)
ON CONFLICT (endpoint, ord) DO UPDATE SET
    next_at = least(l.next_at, excluded.next_at), writes = l.writes + 1, hold = false
