INSERT INTO endpoint (id, tenant, uid, adhoc, settings, state, state_reason, challenge, secrets, revision, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT DO NOTHING;
