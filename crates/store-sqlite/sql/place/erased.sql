SELECT 1 FROM erased WHERE id = ?1;
