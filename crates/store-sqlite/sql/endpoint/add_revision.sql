INSERT INTO endpoint_revision (endpoint, revision, settings) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET settings = excluded.settings;
