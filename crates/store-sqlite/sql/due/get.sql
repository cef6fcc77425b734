SELECT id, endpoint, tenant, due_at, waiting_for, attempts, failures, last_status, last_error, ord, seq, sending_by
FROM due WHERE id = ?1;
