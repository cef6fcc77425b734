SELECT id, endpoint, due_at, ord, seq, sending_by, waiting_for, tenant, attempts, failures, last_status, last_error
FROM posthaste.due
WHERE endpoint = $1 AND ord = $2 AND ord <> 0
ORDER BY seq
LIMIT $3
