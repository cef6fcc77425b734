SELECT ord, seq FROM due WHERE id = ?1;
