SELECT 1 FROM batch WHERE id = ?1;
