-- Two who stand at once come one after the other on the row's lock; the second finds a live node there.
UPDATE posthaste.leader l SET node = $1, term = l.term + 1
WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = l.node)
