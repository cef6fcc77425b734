-- By `due_at` alone the rows of one lane are met in order, and none of another.
SELECT id, endpoint, due_at, ord, seq, sending_by, waiting_for, tenant, attempts, failures, last_status, last_error
FROM posthaste.due
WHERE endpoint = $1 AND ord = 0 AND due_at <= $2 AND (due_at, id) > ($3, $4)
ORDER BY due_at, id
LIMIT $5
