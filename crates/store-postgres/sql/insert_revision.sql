INSERT INTO posthaste.endpoint_revision (endpoint, revision, settings) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
