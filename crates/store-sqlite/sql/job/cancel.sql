UPDATE job SET state = 3, updated_at = ?2 WHERE id = ?1 AND state = 1;
