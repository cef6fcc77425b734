-- A message's deliveries lie together in the index by tenant and id.
SELECT id FROM due WHERE tenant = ?1 AND id >= ?2 AND id <= ?3 ORDER BY id LIMIT ?4;
