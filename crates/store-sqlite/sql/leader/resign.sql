DELETE FROM leader WHERE node = ?1 AND term = ?2;
