INSERT INTO posthaste.topic (id, tenant, name, details, revision, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
