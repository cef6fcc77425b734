-- By pairs, for the reason that list_endpoint_succeeded.sql gives.
SELECT
    (SELECT count(*) FROM (
        SELECT at FROM posthaste.attempt
        WHERE outcome <> 0 AND (endpoint, id) >= ($1, '00000000-0000-0000-0000-000000000000')
            AND (endpoint, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY endpoint DESC, id DESC LIMIT $3) f WHERE f.at >= $2),
    -- Status 2: failed.
    (SELECT count(*) FROM (
        SELECT at, status FROM posthaste.closed
        WHERE (endpoint, id) >= ($1, '00000000-0000-0000-0000-000000000000')
            AND (endpoint, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY endpoint DESC, id DESC LIMIT $3) c
        WHERE c.status = 2 AND c.at >= $2),
    (SELECT count(*) FROM (SELECT FROM posthaste.due WHERE endpoint = $1 LIMIT $4) d),
    (SELECT id FROM posthaste.due WHERE endpoint = $1 ORDER BY id LIMIT 1),
    (SELECT error FROM posthaste.attempt
        WHERE outcome <> 0 AND (endpoint, id) >= ($1, '00000000-0000-0000-0000-000000000000')
            AND (endpoint, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY endpoint DESC, id DESC LIMIT 1),
    (SELECT at FROM posthaste.attempt
        WHERE outcome = 0 AND (endpoint, id) >= ($1, '00000000-0000-0000-0000-000000000000')
            AND (endpoint, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY endpoint DESC, id DESC LIMIT 1)
