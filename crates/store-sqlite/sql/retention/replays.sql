SELECT id, batch FROM message WHERE origin = ?1;
