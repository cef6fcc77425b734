SELECT endpoint, ord, tenant, writes FROM posthaste.lane
WHERE NOT hold AND next_at <= $2 AND shard = ANY ($1)
ORDER BY next_at
LIMIT $3
