UPDATE attempt SET capture = NULL WHERE id = ?1;
