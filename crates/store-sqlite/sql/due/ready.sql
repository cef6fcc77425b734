SELECT id, endpoint, tenant, due_at, waiting_for, attempts, failures, last_status, last_error, ord, seq, sending_by
FROM due
WHERE endpoint = ?1 AND ord = 0 AND seq = 0 AND due_at <= ?2 AND (due_at, id) > (?3, ?4)
ORDER BY due_at, id LIMIT ?5;
