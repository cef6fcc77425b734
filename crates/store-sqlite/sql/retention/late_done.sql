DELETE FROM late_capture WHERE at = ?1 AND attempt = ?2;
