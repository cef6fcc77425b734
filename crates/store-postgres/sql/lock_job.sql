-- State 1: running. `claim_job.sql` looks again, under the lock.
SELECT j.id FROM posthaste.job j
WHERE j.state = 1 AND NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = j.node)
ORDER BY j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
