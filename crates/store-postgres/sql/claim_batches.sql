-- Free: of nobody, or of a node whose fence is gone. Locked before they are looked into; those that another node is
-- claiming are passed over.
SELECT b.id FROM posthaste.batch b
WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = b.node)
ORDER BY b.id
LIMIT $1
FOR UPDATE OF b SKIP LOCKED
