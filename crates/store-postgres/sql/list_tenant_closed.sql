-- By pairs, and ordered by both: only the index of both can do that. With an equality the planner may take the primary key
-- instead and read past everybody else's rows. The bounds of `id` alone leave out whole partitions.
SELECT id FROM posthaste.closed
WHERE (tenant, id) < ($4, $1) AND (tenant, id) >= ($4, $2) AND id < $1 AND id >= $2
ORDER BY tenant DESC, id DESC LIMIT $3
