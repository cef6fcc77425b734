SELECT min(id) FROM due WHERE tenant = ?1;
