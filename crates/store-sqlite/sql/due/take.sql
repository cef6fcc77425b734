DELETE FROM due WHERE id = ?1 AND attempts = ?2 RETURNING ord, seq;
