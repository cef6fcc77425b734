DELETE FROM closed WHERE id = ?1;
