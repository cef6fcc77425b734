UPDATE counter SET n = n + 1 WHERE name = 'catalog' RETURNING n;
