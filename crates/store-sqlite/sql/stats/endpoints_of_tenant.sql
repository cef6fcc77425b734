SELECT count(*) FROM endpoint WHERE tenant = ?1 AND adhoc = 0;
