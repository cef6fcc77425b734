-- Whether something waits is asked of the index by tenant and id, in which a message's deliveries lie together.
SELECT e.at, e.id, e.tenant, EXISTS (
    SELECT FROM posthaste.due d WHERE d.tenant = e.tenant AND d.id >= e.id AND d.id <= posthaste.last_child(e.id))
FROM posthaste.expiring e WHERE e.at <= $1
ORDER BY e.at, e.id LIMIT $2
