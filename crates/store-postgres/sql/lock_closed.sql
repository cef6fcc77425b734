-- Two who retry the same delivery come one after the other; the second finds it waiting.
SELECT FROM posthaste.closed WHERE id = $1 FOR UPDATE
