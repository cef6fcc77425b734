-- Who holds each key now, in a statement after the insert, so that a winner it waited for is seen. The message is looked
-- for in the order of the id, which only the primary key offers: this plan is kept.
SELECT k.place, i.id, i.request_hash, m.topic, (octet_length(m.targets) - 1) / 20
FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS k (tenant, verb, key, place)
JOIN posthaste.idempotency i
    ON i.generation IN (0, 1) AND i.tenant = k.tenant AND i.verb = k.verb AND i.key = k.key
LEFT JOIN LATERAL (
    SELECT x.topic, x.targets FROM posthaste.message x WHERE x.id >= i.id AND x.id <= i.id ORDER BY x.id LIMIT 1) m ON true
