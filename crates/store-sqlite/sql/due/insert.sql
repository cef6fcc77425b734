INSERT INTO due (id, endpoint, tenant, ord, seq, due_at, waiting_for, attempts, failures, last_status, last_error)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT DO NOTHING;
