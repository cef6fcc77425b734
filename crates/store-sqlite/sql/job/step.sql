UPDATE job SET cursor = ?2, matched = ?3, done = ?4, state = ?5, updated_at = ?6 WHERE id = ?1;
