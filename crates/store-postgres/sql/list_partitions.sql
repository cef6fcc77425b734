SELECT c.relname::text FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent IN ('posthaste.message'::regclass, 'posthaste.payload'::regclass, 'posthaste.attempt'::regclass,
    'posthaste.capture'::regclass, 'posthaste.closed'::regclass)
ORDER BY c.relname
