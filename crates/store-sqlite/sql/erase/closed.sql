DELETE FROM closed WHERE id >= ?1 AND id <= ?2;
