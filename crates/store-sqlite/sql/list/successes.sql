SELECT id FROM attempt WHERE endpoint = ?1 AND ok = 1 AND id < ?2 AND id >= ?3 ORDER BY id DESC LIMIT ?4;
