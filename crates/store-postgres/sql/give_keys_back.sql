-- Nothing of a refused message stays, its key neither.
DELETE FROM posthaste.idempotency i
USING unnest($1::text[], $2::text[], $3::bytea[]) AS k (tenant, verb, key)
WHERE i.generation IN (0, 1) AND i.tenant = k.tenant AND i.verb = k.verb AND i.key = k.key
