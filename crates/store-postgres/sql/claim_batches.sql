-- Free: of nobody, or of a node whose fence is gone. Locked before they are looked into; those that another node is
-- claiming are passed over.
-- Not a join: when another has taken the row since the snapshot, its new owner has to be looked up anew, and PostgreSQL
-- does that for a subquery in the condition but not for the other side of a join.
SELECT b.id FROM posthaste.batch b
WHERE (SELECT n.id FROM posthaste.node n WHERE n.id = b.node) IS NULL
ORDER BY b.id
LIMIT $1
FOR UPDATE OF b SKIP LOCKED
