SELECT
    (SELECT count(*) FROM (
        SELECT at FROM posthaste.attempt WHERE endpoint = $1 AND outcome <> 0 ORDER BY id DESC LIMIT $3) f WHERE f.at >= $2),
    -- Status 2: failed.
    (SELECT count(*) FROM (
        SELECT at, status FROM posthaste.closed WHERE endpoint = $1 ORDER BY id DESC LIMIT $3) c
        WHERE c.status = 2 AND c.at >= $2),
    (SELECT count(*) FROM (SELECT FROM posthaste.due WHERE endpoint = $1 LIMIT $4) d),
    (SELECT id FROM posthaste.due WHERE endpoint = $1 ORDER BY id LIMIT 1),
    (SELECT error FROM posthaste.attempt WHERE endpoint = $1 AND outcome <> 0 ORDER BY id DESC LIMIT 1),
    (SELECT at FROM posthaste.attempt WHERE endpoint = $1 AND outcome = 0 ORDER BY id DESC LIMIT 1)
