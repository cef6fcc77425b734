-- Not a join: when another has taken the row since the snapshot, its new owner has to be looked up anew, and PostgreSQL
-- does that for a subquery in the condition but not for the other side of a join.
UPDATE posthaste.job SET node = $1
WHERE id = (
    SELECT j.id FROM posthaste.job j
    WHERE j.state = 1 AND (SELECT n.id FROM posthaste.node n WHERE n.id = j.node) IS NULL
    ORDER BY j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED)
RETURNING id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at
