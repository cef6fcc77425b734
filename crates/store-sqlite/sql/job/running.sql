SELECT count(*) FROM job WHERE state = 1;
