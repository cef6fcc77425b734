UPDATE due
SET due_at = ?3, waiting_for = ?4, attempts = ?5, failures = ?6, last_status = ?7, last_error = ?8, sending_by = NULL
WHERE id = ?1 AND attempts = ?2
RETURNING ord;
