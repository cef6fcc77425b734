DELETE FROM posthaste.expiring e USING unnest($1::bigint[], $2::uuid[]) AS w (at, id) WHERE e.at = w.at AND e.id = w.id
