SELECT tenant, length(targets), id FROM message WHERE id >= ?1 AND id < ?2 AND batch = ?1 ORDER BY id;
