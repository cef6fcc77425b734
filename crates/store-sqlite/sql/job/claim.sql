UPDATE job SET node = ?1
WHERE id = (SELECT id FROM job
            WHERE state = 1 AND (node IS NULL OR node NOT IN (SELECT id FROM node)) ORDER BY id LIMIT 1)
RETURNING id;
