UPDATE lane SET held = 1 WHERE endpoint = ?1 AND ord = ?2;
