UPDATE schedule
SET uid = ?2, settings = ?3, next_fire_at = ?4, last_fire_at = ?5, revision = ?6, updated_at = ?7
WHERE id = ?1;
