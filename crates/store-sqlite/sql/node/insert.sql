INSERT INTO node (id, number, version, roles, beat, heartbeat_at, applied) VALUES (?1, ?2, ?3, ?4, 0, ?5, 0);
