-- By pairs, and ordered by both, as in list_endpoint_succeeded.sql.
SELECT w.n, f.id
FROM unnest($1::uuid[]) WITH ORDINALITY AS w (endpoint, n)
CROSS JOIN LATERAL (
    SELECT a.id FROM posthaste.attempt a
    WHERE a.outcome = 0 AND (a.endpoint, a.id) >= (w.endpoint, '00000000-0000-0000-0000-000000000000'::uuid)
        AND (a.endpoint, a.id) <= (w.endpoint, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
    ORDER BY a.endpoint DESC, a.id DESC LIMIT $2
) f
ORDER BY w.n, f.id DESC
