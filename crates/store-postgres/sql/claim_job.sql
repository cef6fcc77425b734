UPDATE posthaste.job SET node = $1
WHERE id = (
    SELECT j.id FROM posthaste.job j
    WHERE j.state = 1 AND NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = j.node)
    ORDER BY j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED)
RETURNING id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at
