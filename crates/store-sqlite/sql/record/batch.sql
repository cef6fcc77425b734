SELECT cancelled FROM batch WHERE id = ?1;
