UPDATE node SET beat = beat + 1, heartbeat_at = ?2, applied = max(applied, ?3) WHERE id = ?1;
