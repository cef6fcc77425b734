UPDATE posthaste.job SET state = $2, cursor = $3, matched = matched + $4, done = done + $5, updated_at = $6 WHERE id = $1
