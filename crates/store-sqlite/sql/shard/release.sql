UPDATE shard SET node = NULL WHERE n = ?1 AND node = ?2;
