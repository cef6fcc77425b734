INSERT INTO posthaste.expiring (at, id, tenant) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
