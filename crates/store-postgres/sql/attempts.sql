SELECT a.id, a.endpoint, a.revision, a.tenant, a.number, a.at, a.duration_micros, a.outcome, a.status, a.error, c.response
FROM posthaste.attempt a
LEFT JOIN posthaste.capture c ON c.id = a.id AND c.id >= $1 AND c.id < $2
WHERE a.id >= $1 AND a.id < $2
ORDER BY a.id DESC LIMIT $3
