DELETE FROM attempt WHERE id >= ?1 AND id <= ?2;
