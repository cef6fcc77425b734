SELECT 1 FROM due WHERE id >= ?1 AND id <= ?2 LIMIT 1;
