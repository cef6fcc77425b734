-- The earliest failure since the last success stays. Sorted, because two nodes may know of the same endpoints.
INSERT INTO posthaste.endpoint_health AS h (endpoint, failing_since)
SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS w (endpoint, failing_since) ORDER BY w.endpoint
ON CONFLICT (endpoint) DO UPDATE SET failing_since = excluded.failing_since
WHERE excluded.failing_since < h.failing_since
