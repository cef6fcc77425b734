-- The tenant's own first; '' is the common catalogue, whose topics it may override.
SELECT id, tenant, name, details, revision, created_at, updated_at FROM topic t
WHERE tenant = ?1
   OR tenant = '' AND NOT EXISTS (SELECT 1 FROM topic own WHERE own.tenant = ?1 AND own.name = t.name);
