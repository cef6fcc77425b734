SELECT count(*) FROM endpoint WHERE adhoc = 0;
