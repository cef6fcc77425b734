UPDATE generation SET current = ?1, since = ?2;
