-- The earliest failure that was noted stays.
INSERT INTO endpoint_health (endpoint, failing_since) VALUES (?1, ?2)
ON CONFLICT DO UPDATE SET failing_since = min(failing_since, excluded.failing_since);
