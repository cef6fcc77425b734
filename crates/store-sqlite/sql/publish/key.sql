SELECT id, request_hash FROM idempotency_0 WHERE tenant = ?1 AND verb = ?2 AND key = ?3
UNION ALL
SELECT id, request_hash FROM idempotency_1 WHERE tenant = ?1 AND verb = ?2 AND key = ?3
LIMIT 1;
