-- In the order of their keys, as every transaction that touches several lanes.
INSERT INTO posthaste.lane AS l (endpoint, ord, shard, tenant, next_at, next_seq, writes, hold)
SELECT endpoint, ord, shard, tenant, next_at,
    (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + places, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint, hold
FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[], $7::bool[])
    AS w (endpoint, ord, shard, tenant, next_at, places, hold)
ORDER BY endpoint, ord
ON CONFLICT (endpoint, ord) DO UPDATE SET
    next_at = least(l.next_at, excluded.next_at),
    writes = l.writes + 1,
    hold = l.hold OR excluded.hold
