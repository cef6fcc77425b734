-- As `claim_batches.sql`, but waits for those that somebody holds: a stale owner's last successes, or another claim.
SELECT b.id FROM posthaste.batch b
WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = b.node)
ORDER BY b.id
LIMIT $1
FOR UPDATE OF b
