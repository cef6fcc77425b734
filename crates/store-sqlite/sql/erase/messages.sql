DELETE FROM message WHERE id >= ?1 AND id <= ?2;
