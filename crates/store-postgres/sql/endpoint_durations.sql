SELECT s.duration_micros FROM (
    SELECT at, duration_micros FROM posthaste.attempt WHERE endpoint = $1 AND outcome = 0 ORDER BY id DESC LIMIT $3
) s WHERE s.at >= $2
