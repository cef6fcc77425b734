SELECT id, tenant, name, details, revision, created_at, updated_at FROM posthaste.topic t
WHERE t.tenant = $1 OR (t.tenant = '' AND NOT EXISTS (SELECT FROM posthaste.topic o WHERE o.tenant = $1 AND o.name = t.name))
