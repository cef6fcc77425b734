SELECT count(*) FROM (SELECT 1 FROM endpoint WHERE tenant = ?1 AND adhoc = 1 LIMIT ?2);
