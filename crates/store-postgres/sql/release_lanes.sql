UPDATE posthaste.lane l SET hold = false, next_at = least(l.next_at, $2), writes = l.writes + 1
FROM (SELECT endpoint, ord FROM posthaste.lane WHERE endpoint = $1 AND hold ORDER BY ord FOR UPDATE) w
WHERE l.endpoint = w.endpoint AND l.ord = w.ord
