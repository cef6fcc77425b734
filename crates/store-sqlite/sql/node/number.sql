UPDATE counter SET n = n + 1 WHERE name = 'node' RETURNING n;
