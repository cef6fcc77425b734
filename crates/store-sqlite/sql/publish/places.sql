-- One counter for all lanes: its places outlive a lane that was removed while it was empty.
UPDATE counter SET n = n + ?1 WHERE name = 'place' RETURNING n;
