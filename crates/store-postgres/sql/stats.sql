WITH RECURSIVE oldest (tenant, id) AS (
    -- The oldest of each tenant by the index, from one tenant to the next; of the first thousand.
    (SELECT tenant, id FROM posthaste.due ORDER BY tenant, id LIMIT 1)
    UNION ALL
    SELECT n.tenant, n.id FROM oldest o CROSS JOIN LATERAL (
        SELECT d.tenant, d.id FROM posthaste.due d WHERE d.tenant > o.tenant ORDER BY d.tenant, d.id LIMIT 1) n
)
SELECT
    (SELECT count(*) FROM (SELECT FROM posthaste.due LIMIT $1) d),
    least($1, coalesce((SELECT sum((octet_length(m.targets) - 1) / 20) FROM (
        SELECT targets FROM posthaste.message m
        WHERE m.id >= (SELECT b.id FROM posthaste.batch b ORDER BY b.id LIMIT 1)
            AND EXISTS (SELECT FROM posthaste.batch b WHERE b.id = m.batch) LIMIT $1) m), 0))::bigint,
    (SELECT count(*) FROM (SELECT FROM posthaste.closed WHERE status = 2 LIMIT $1) c),
    (SELECT o.id FROM (SELECT id FROM oldest LIMIT 1000) o ORDER BY o.id LIMIT 1),
    (SELECT count(*) FROM posthaste.endpoint WHERE NOT adhoc)
