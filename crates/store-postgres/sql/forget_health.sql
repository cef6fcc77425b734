DELETE FROM posthaste.endpoint_health h
USING (SELECT endpoint FROM posthaste.endpoint_health WHERE endpoint = ANY ($1::uuid[]) ORDER BY endpoint FOR UPDATE) w
WHERE h.endpoint = w.endpoint
