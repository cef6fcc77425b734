DELETE FROM erased WHERE id >= ?1 AND id <= ?2;
