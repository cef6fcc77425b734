-- A time never moves back. Sorted, because every node notes the same keys.
UPDATE posthaste.api_key k SET last_used_at = w.at
FROM (
    SELECT a.id, u.at FROM posthaste.api_key a JOIN unnest($1::uuid[], $2::bigint[]) AS u (id, at) ON a.id = u.id
    ORDER BY a.id FOR UPDATE OF a
) w
WHERE k.id = w.id AND (k.last_used_at IS NULL OR k.last_used_at < w.at)
