INSERT INTO schedule (id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);
