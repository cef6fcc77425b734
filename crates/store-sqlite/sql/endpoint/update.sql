UPDATE endpoint
SET uid = ?2, settings = ?3, state = ?4, state_reason = ?5, challenge = ?6, secrets = ?7, revision = ?8, updated_at = ?9
WHERE id = ?1;
