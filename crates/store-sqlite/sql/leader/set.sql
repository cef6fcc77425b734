INSERT INTO leader (one, node, term) VALUES (1, ?1, ?2)
ON CONFLICT DO UPDATE SET node = excluded.node, term = excluded.term;
