SELECT w.n, f.id
FROM unnest($1::uuid[]) WITH ORDINALITY AS w (endpoint, n)
CROSS JOIN LATERAL (
    SELECT d.id FROM posthaste.due d WHERE d.endpoint = w.endpoint ORDER BY d.id DESC LIMIT $2
) f
ORDER BY w.n, f.id DESC
