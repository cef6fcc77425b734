SELECT due_at FROM due WHERE endpoint = ?1 AND ord = ?2 ORDER BY seq LIMIT 1;
