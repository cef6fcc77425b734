-- Two who stand at once come one after the other on the row's lock; the second finds a live node there.
-- Not a join: when another has taken the row since the snapshot, its new owner has to be looked up anew, and PostgreSQL
-- does that for a subquery in the condition but not for the other side of a join.
UPDATE posthaste.leader l SET node = $1, term = l.term + 1
WHERE (SELECT n.id FROM posthaste.node n WHERE n.id = l.node) IS NULL
