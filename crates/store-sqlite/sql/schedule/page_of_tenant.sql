SELECT id, number, tenant, uid, settings, next_fire_at, last_fire_at, revision, created_at, updated_at
FROM schedule WHERE tenant = ?2 AND id < ?1 ORDER BY id DESC;
