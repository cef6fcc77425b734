DELETE FROM due WHERE id = ?1 RETURNING endpoint, ord;
