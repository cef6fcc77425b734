DELETE FROM idempotency_0;
