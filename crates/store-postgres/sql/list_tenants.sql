-- From one name to the next by the indexes, however many messages each has. '' is the common catalogue, nobody's.
WITH RECURSIVE found (tenant) AS (
    SELECT posthaste.next_tenant($1)
    UNION ALL
    SELECT posthaste.next_tenant(tenant) FROM found WHERE tenant IS NOT NULL
)
SELECT tenant FROM found WHERE tenant IS NOT NULL LIMIT $2
