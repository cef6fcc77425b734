SELECT count(*) FROM (SELECT 1 FROM closed WHERE status = 2 LIMIT ?1);
