WITH joined AS (
    INSERT INTO posthaste.node (id, number, version, roles)
    VALUES (gen_random_uuid(), nextval('posthaste.node_number'), $1, $2)
    RETURNING id, number
), started AS (
    INSERT INTO posthaste.beat (node, beat, heartbeat_at, applied)
    SELECT id, 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0 FROM joined
)
SELECT id, number, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM joined
