SELECT id FROM closed WHERE id >= ?1 AND id < ?2 AND status = 3;
