UPDATE posthaste.due d SET sending_by = $1
FROM (
    SELECT r.endpoint, r.id FROM posthaste.due r
    JOIN unnest($2::uuid[], $3::uuid[]) AS w (endpoint, id) ON r.endpoint = w.endpoint AND r.id = w.id
    ORDER BY r.endpoint, r.id FOR UPDATE OF r
) w
WHERE d.endpoint = w.endpoint AND d.id = w.id AND EXISTS (SELECT FROM posthaste.node WHERE id = $1)
RETURNING d.id
