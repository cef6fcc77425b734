SELECT id, endpoint, tenant, status, reason, at, attempts, failures, last_status, last_error, ord, seq
FROM closed WHERE id = ?1;
