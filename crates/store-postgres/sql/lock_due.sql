-- In the order of their keys, as everybody who changes several rows of `due` locks them first.
SELECT d.id, d.attempts, d.ord, d.seq
FROM posthaste.due d
JOIN unnest($1::uuid[], $2::uuid[]) AS w (endpoint, id) ON d.endpoint = w.endpoint AND d.id = w.id
ORDER BY d.endpoint, d.id
FOR UPDATE OF d
