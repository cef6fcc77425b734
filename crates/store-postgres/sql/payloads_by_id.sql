-- A length is read without the bytes, which lie elsewhere: what does not fit is never fetched.
SELECT n, id, CASE WHEN total <= $3 OR total = size THEN body END
FROM (
    SELECT w.n, p.id, p.body, octet_length(p.body)::bigint AS size,
        (sum(octet_length(p.body)) OVER (ORDER BY w.n))::bigint AS total
    FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n)
    JOIN posthaste.message m ON m.id = w.id AND ($2::text IS NULL OR m.tenant = $2)
    JOIN posthaste.payload p ON p.id = w.id
) sized
ORDER BY n
