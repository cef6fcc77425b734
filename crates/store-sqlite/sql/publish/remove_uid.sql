DELETE FROM uid WHERE tenant = ?1 AND kind = ?2 AND uid = ?3;
