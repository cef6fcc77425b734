-- Status 3: cancelled.
SELECT c.id FROM unnest($1::uuid[], $2::uuid[]) AS b (id, bound)
JOIN posthaste.closed c ON c.id >= b.id AND c.id < b.bound
WHERE c.status = 3
