SELECT r.endpoint, r.revision, r.settings
FROM unnest($1::uuid[], $2::integer[]) AS w (endpoint, revision)
JOIN posthaste.endpoint_revision r ON r.endpoint = w.endpoint AND r.revision = w.revision
