UPDATE due SET due_at = min(due_at, ?2), waiting_for = ?3, failures = 0 WHERE id = ?1;
