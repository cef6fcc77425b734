-- A length is read without the bytes, which lie elsewhere: what does not fit is never fetched. With a limit, so that it
-- stays a probe for each id.
SELECT n, id, CASE WHEN total <= $3 OR total = size THEN body END
FROM (
    SELECT w.n, p.id, p.body, octet_length(p.body)::bigint AS size,
        (sum(octet_length(p.body)) OVER (ORDER BY w.n))::bigint AS total
    FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n)
    CROSS JOIN LATERAL (SELECT b.id, b.body FROM posthaste.payload b WHERE b.id = w.id LIMIT 1) p
    WHERE $2::text IS NULL OR (SELECT true FROM posthaste.message m WHERE m.tenant = $2 AND m.id = w.id LIMIT 1)
) sized
ORDER BY n
