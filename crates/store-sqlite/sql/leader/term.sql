UPDATE counter SET n = n + 1 WHERE name = 'term' RETURNING n;
