SELECT 1 FROM message WHERE id = ?1;
