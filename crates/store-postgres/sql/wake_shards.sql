UPDATE posthaste.lane l SET next_at = least(l.next_at, $2), writes = l.writes + 1
FROM (SELECT endpoint, ord FROM posthaste.lane WHERE shard = ANY ($1::smallint[]) ORDER BY endpoint, ord FOR UPDATE) w
WHERE l.endpoint = w.endpoint AND l.ord = w.ord
