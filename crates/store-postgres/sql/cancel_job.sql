-- State 3: cancelled; one that has ended meanwhile stays as it is.
UPDATE posthaste.job SET state = 3, updated_at = $2 WHERE id = $1 AND state = 1
