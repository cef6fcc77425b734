DELETE FROM idempotency_1;
