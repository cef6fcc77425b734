UPDATE horizon SET cursor = ?2 WHERE name = ?1;
