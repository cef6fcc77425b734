-- In the order of the keys, so that two groups with the same keys wait, never deadlock. The index waits for a holder that
-- is still under way; `lock_timeout` bounds that.
INSERT INTO posthaste.idempotency (generation, tenant, verb, key, id, request_hash)
SELECT c.generation, k.tenant, k.verb, k.key, k.id, k.request_hash
FROM posthaste.idempotency_current c,
    unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::bytea[]) AS k (tenant, verb, key, id, request_hash)
-- Looked up one by one, never joined: see key_holders.
WHERE (SELECT o.id FROM posthaste.idempotency o
    WHERE o.generation = 1 - c.generation AND o.tenant = k.tenant AND o.verb = k.verb AND o.key = k.key LIMIT 1) IS NULL
ORDER BY k.tenant COLLATE "C", k.verb COLLATE "C", k.key
ON CONFLICT DO NOTHING
