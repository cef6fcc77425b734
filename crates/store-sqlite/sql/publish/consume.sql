DELETE FROM outbox WHERE n = ?1;
