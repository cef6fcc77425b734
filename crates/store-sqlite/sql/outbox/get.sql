SELECT n, id, at, draft FROM outbox WHERE id = ?1;
