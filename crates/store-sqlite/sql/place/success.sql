-- The attempts of one delivery lie together; there are few.
SELECT id, number, at, duration, status_code FROM attempt WHERE id >= ?1 AND id <= ?2 AND ok = 1 LIMIT 1;
