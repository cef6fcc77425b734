-- Held ones too: what waits behind a failure is ended like the rest.
UPDATE posthaste.lane l SET next_at = least(l.next_at, $2), writes = l.writes + 1, hold = false
FROM (SELECT endpoint, ord FROM posthaste.lane WHERE endpoint = $1 ORDER BY ord FOR UPDATE) w
WHERE l.endpoint = w.endpoint AND l.ord = w.ord
