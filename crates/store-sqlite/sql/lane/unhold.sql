UPDATE lane SET held = 0 WHERE endpoint = ?1 AND ord = ?2;
