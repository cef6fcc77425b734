SELECT count(*) FROM (SELECT 1 FROM due WHERE endpoint = ?2 LIMIT ?1);
