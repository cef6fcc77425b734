UPDATE attempt SET capture = NULL WHERE id >= ?1 AND id <= ?2 AND capture IS NOT NULL AND at < ?3;
