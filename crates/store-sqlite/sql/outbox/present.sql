SELECT 1 FROM outbox WHERE n = ?1;
