SELECT n, id, at, draft FROM outbox ORDER BY n LIMIT ?1;
