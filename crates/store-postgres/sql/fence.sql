-- In share, and to the end of the transaction: a take-over deletes this row under an exclusive lock, so either it waits
-- for this commit or this finds nothing.
SELECT id FROM posthaste.node WHERE id = $1 FOR SHARE
