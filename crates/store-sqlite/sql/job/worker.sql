SELECT node FROM job WHERE id = ?1;
