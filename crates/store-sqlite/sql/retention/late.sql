SELECT at, attempt FROM late_capture WHERE at < ?1 ORDER BY at LIMIT ?2;
