UPDATE counter SET n = max(n, (SELECT c.n FROM counter c WHERE c.name = 'catalog') - ?1)
WHERE name = 'catalog_floor' RETURNING n;
