SELECT count(*) FROM (SELECT 1 FROM due WHERE tenant = ?2 LIMIT ?1);
