SELECT h.endpoint, h.failing_since FROM posthaste.endpoint e JOIN posthaste.endpoint_health h ON h.endpoint = e.id
WHERE e.tenant = $1
