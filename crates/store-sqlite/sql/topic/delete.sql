DELETE FROM topic WHERE tenant = ?1 AND name = ?2;
