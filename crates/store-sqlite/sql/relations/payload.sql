SELECT payload FROM message WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2);
