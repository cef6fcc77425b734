-- A node that asks works on none: one of its own is one that it had to leave. Those come last, so that one that fails
-- again and again holds up no other.
UPDATE job SET node = ?1
WHERE id = (SELECT id FROM job
            WHERE state = 1 AND (node IS NULL OR node = ?1 OR node NOT IN (SELECT id FROM node))
            ORDER BY node IS ?1, id LIMIT 1)
RETURNING id;
