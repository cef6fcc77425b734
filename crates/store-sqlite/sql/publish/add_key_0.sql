INSERT INTO idempotency_0 (tenant, verb, key, id, request_hash) VALUES (?1, ?2, ?3, ?4, ?5);
