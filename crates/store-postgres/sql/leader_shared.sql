-- In share, to the end: an election waits for this firing, or this finds that somebody else leads.
SELECT term FROM posthaste.leader WHERE node = $1 AND term = $2 FOR SHARE
