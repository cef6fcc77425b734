-- Each delivery's attempts lie together in the primary key, so this is one short scan for each.
SELECT w.n, a.id, a.endpoint, a.revision, a.tenant, a.number, a.at, a.duration_micros, a.outcome, a.status, a.error, c.response
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS w (id, last_child, n)
CROSS JOIN LATERAL (
    SELECT s.id, s.endpoint, s.revision, s.tenant, s.number, s.at, s.duration_micros, s.outcome, s.status, s.error
    FROM posthaste.attempt s
    WHERE s.id >= w.id AND s.id <= w.last_child AND ($4::text IS NULL OR s.tenant = $4)
    ORDER BY s.id DESC LIMIT $3
) a
-- With a limit, so that it stays a probe for each attempt: a join could be done by reading all captures there are.
LEFT JOIN LATERAL (SELECT k.response FROM posthaste.capture k WHERE $5 AND k.id = a.id LIMIT 1) c ON true
ORDER BY w.n, a.id DESC
