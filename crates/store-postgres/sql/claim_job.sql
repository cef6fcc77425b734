UPDATE posthaste.job j SET node = $1
WHERE j.id = $2 AND j.state = 1 AND NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = j.node AND n.id <> $1)
RETURNING id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at
