SELECT 1 FROM expiring WHERE at <= ?1 LIMIT 1;
