SELECT
    (SELECT count(*) FROM (SELECT FROM posthaste.due WHERE tenant = $2 LIMIT $1) d),
    least($1, coalesce((SELECT sum((octet_length(m.targets) - 1) / 20) FROM (
        SELECT targets FROM posthaste.message m
        WHERE m.tenant = $2 AND m.id >= (SELECT b.id FROM posthaste.batch b ORDER BY b.id LIMIT 1)
            AND EXISTS (SELECT FROM posthaste.batch b WHERE b.id = m.batch) LIMIT $1) m), 0))::bigint,
    (SELECT count(*) FROM (SELECT FROM posthaste.closed WHERE tenant = $2 AND status = 2 LIMIT $1) c),
    (SELECT id FROM posthaste.due WHERE tenant = $2 ORDER BY id LIMIT 1),
    (SELECT count(*) FROM posthaste.endpoint WHERE tenant = $2 AND NOT adhoc)
