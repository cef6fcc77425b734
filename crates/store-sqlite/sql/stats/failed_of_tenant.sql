SELECT count(*) FROM (SELECT 1 FROM closed WHERE tenant = ?2 AND status = 2 LIMIT ?1);
