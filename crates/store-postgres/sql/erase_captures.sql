DELETE FROM posthaste.capture t USING unnest($1::uuid[], $2::uuid[]) AS w (id, last_child)
WHERE t.id >= w.id AND t.id <= w.last_child
