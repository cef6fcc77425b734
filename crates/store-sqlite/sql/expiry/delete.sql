DELETE FROM expiring WHERE at = ?1 AND id = ?2;
