UPDATE due SET sending_by = ?3 WHERE id = ?1 AND endpoint = ?2;
