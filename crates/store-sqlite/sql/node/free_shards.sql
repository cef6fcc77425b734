UPDATE shard SET node = NULL;
