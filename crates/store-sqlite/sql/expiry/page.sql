SELECT at, id, tenant FROM expiring WHERE at <= ?1 ORDER BY at, id LIMIT ?2;
