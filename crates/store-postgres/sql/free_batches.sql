-- The rows are locked, and this statement's snapshot is newer than the locks.
SELECT b.id FROM posthaste.batch b
WHERE b.id = ANY ($1) AND NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = b.node)
ORDER BY b.id
