SELECT cursor FROM horizon WHERE name = ?1;
