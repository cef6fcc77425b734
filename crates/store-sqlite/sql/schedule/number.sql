UPDATE counter SET n = n + 1 WHERE name = 'schedule' RETURNING n;
