SELECT 1 FROM due WHERE endpoint = ?1 AND ord = ?2 LIMIT 1;
