SELECT id, tenant, name, details, revision, created_at, updated_at FROM topic WHERE id < ?1 ORDER BY id DESC;
