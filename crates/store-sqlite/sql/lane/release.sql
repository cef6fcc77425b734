UPDATE lane SET held = 0, next_at = min(next_at, ?2), writes = writes + 1 WHERE endpoint = ?1 AND held = 1;
