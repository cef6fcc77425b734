SELECT min(due_at) FROM due WHERE endpoint = ?1 AND ord = 0 AND seq = 0 AND due_at > ?2;
