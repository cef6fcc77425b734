SELECT id, endpoint, tenant, due_at, waiting_for, attempts, failures, last_status, last_error, ord, seq, sending_by
FROM due WHERE endpoint = ?1 AND ord = ?2 ORDER BY seq LIMIT ?3;
