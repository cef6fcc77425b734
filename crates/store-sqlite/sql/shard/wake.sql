UPDATE lane SET next_at = min(next_at, ?2), writes = writes + 1 WHERE shard = ?1;
