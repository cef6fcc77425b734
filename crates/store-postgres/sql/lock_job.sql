-- State 1: running. `claim_job.sql` looks again, under the lock. A node that asks works on none: one of its own is one that
-- it had to leave, when a step failed or its lease was not fresh. Those come last, so that one that fails again and again
-- holds up no other.
SELECT j.id FROM posthaste.job j
WHERE j.state = 1 AND NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = j.node AND n.id <> $1)
ORDER BY coalesce(j.node = $1, false), j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
