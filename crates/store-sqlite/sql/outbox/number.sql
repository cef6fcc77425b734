UPDATE counter SET n = n + 1 WHERE name = 'outbox' RETURNING n;
