-- With a limit, so that it stays a probe for each.
SELECT r.endpoint, r.revision, r.settings
FROM unnest($1::uuid[], $2::integer[]) AS w (endpoint, revision)
CROSS JOIN LATERAL (
    SELECT e.endpoint, e.revision, e.settings FROM posthaste.endpoint_revision e
    WHERE e.endpoint = w.endpoint AND e.revision = w.revision LIMIT 1
) r
