UPDATE message SET targets = ?2 WHERE id = ?1;
