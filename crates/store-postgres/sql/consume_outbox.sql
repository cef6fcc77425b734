-- In the order of their places, as every node takes them; one that another node is publishing is waited for.
DELETE FROM posthaste.outbox o
USING (SELECT n FROM posthaste.outbox WHERE n = ANY ($1::bigint[]) ORDER BY n FOR UPDATE) taken
WHERE o.n = taken.n
RETURNING o.n
