SELECT count(*) FROM (SELECT at FROM closed WHERE endpoint = ?1 AND status = 2 ORDER BY id DESC LIMIT ?3) WHERE at >= ?2;
