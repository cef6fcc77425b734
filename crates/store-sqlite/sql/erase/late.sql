DELETE FROM late_capture WHERE attempt >= ?1 AND attempt <= ?2;
