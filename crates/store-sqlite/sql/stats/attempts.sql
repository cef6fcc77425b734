SELECT at, duration, error FROM attempt WHERE endpoint = ?1 AND ok = ?2 ORDER BY id DESC LIMIT ?3;
