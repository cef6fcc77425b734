UPDATE batch SET node = ?2 WHERE id = ?1;
