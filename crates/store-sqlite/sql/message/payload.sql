SELECT payload FROM message WHERE id = ?1;
