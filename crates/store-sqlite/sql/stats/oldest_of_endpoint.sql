SELECT min(id) FROM due WHERE endpoint = ?1;
