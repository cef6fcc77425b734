-- Free: of nobody, or of a node whose fence is gone. Locked before they are looked into. Those that another node is
-- claiming are passed over. What this finds is looked at again by `free_batches.sql`: of a row that changed before it was
-- locked, only its own columns are read anew, not what was joined to it.
SELECT b.id FROM posthaste.batch b
WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = b.node)
ORDER BY b.id
LIMIT $1
FOR UPDATE OF b SKIP LOCKED
