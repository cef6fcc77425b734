SELECT endpoint, ord, shard, tenant, writes FROM lane WHERE held = 0 AND next_at <= ?1 ORDER BY next_at;
