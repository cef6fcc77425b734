-- The rows are locked already.
DELETE FROM posthaste.due d
USING unnest($1::uuid[], $2::uuid[]) AS w (endpoint, id)
WHERE d.endpoint = w.endpoint AND d.id = w.id
