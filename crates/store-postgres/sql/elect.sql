-- The row is locked by a statement before this one, so that of two who stand at once the second sees whom the first made.
UPDATE posthaste.leader l SET node = $1, term = l.term + 1
WHERE NOT EXISTS (SELECT FROM posthaste.node n WHERE n.id = l.node)
