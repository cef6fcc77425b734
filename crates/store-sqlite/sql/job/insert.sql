INSERT INTO job (id, kind, tenant, endpoint, spec, state, cursor, matched, done, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11);
