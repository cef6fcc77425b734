SELECT h.endpoint, h.failing_since FROM endpoint e JOIN endpoint_health h ON h.endpoint = e.id WHERE e.tenant = ?1;
