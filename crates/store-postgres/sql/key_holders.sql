-- Who holds each key now, in a statement after the insert, so that a winner it waited for is seen. Each key is looked up by
-- itself: a join could be planned, and that plan kept, while the table is small, as a walk over all keys of the tenant. The
-- message is looked for in the order of the id, which only the primary key offers.
SELECT k.place, i.id, i.request_hash, m.topic, (octet_length(m.targets) - 1) / 20
FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS k (tenant, verb, key, place)
CROSS JOIN LATERAL (
    SELECT x.id, x.request_hash FROM posthaste.idempotency x
    WHERE x.generation IN (0, 1) AND x.tenant = k.tenant AND x.verb = k.verb AND x.key = k.key LIMIT 1) i
LEFT JOIN LATERAL (
    SELECT x.topic, x.targets FROM posthaste.message x WHERE x.id >= i.id AND x.id <= i.id ORDER BY x.id LIMIT 1) m ON true
