-- By pairs, and ordered by both, as in list_endpoint_closed.sql.
SELECT w.n, f.id
FROM unnest($1::uuid[]) WITH ORDINALITY AS w (endpoint, n)
CROSS JOIN LATERAL (
    SELECT c.id FROM posthaste.closed c
    WHERE (c.endpoint, c.id) >= (w.endpoint, '00000000-0000-0000-0000-000000000000'::uuid)
        AND (c.endpoint, c.id) <= (w.endpoint, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
    ORDER BY c.endpoint DESC, c.id DESC LIMIT $2
) f
ORDER BY w.n, f.id DESC
