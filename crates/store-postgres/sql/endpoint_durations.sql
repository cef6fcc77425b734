-- By pairs, for the reason that list_endpoint_succeeded.sql gives.
SELECT s.duration_micros FROM (
    SELECT at, duration_micros FROM posthaste.attempt
    WHERE outcome = 0 AND (endpoint, id) >= ($1, '00000000-0000-0000-0000-000000000000')
        AND (endpoint, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY endpoint DESC, id DESC LIMIT $3
) s WHERE s.at >= $2
