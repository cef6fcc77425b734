INSERT INTO closed (id, endpoint, tenant, status, reason, at, attempts, failures, last_status, last_error, ord, seq)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT DO NOTHING;
