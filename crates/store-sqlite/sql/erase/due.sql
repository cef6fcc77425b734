DELETE FROM due WHERE id >= ?1 AND id <= ?2;
