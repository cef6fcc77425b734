SELECT topic, length(targets) FROM message WHERE id = ?1;
