SELECT id FROM closed WHERE endpoint = ?5 AND status = ?4 AND id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3;
