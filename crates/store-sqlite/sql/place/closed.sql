SELECT 1 FROM closed WHERE id = ?1;
