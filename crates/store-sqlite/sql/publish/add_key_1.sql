INSERT INTO idempotency_1 (tenant, verb, key, id, request_hash) VALUES (?1, ?2, ?3, ?4, ?5);
