UPDATE lane SET next_at = ?3 WHERE endpoint = ?1 AND ord = ?2;
