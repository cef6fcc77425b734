SELECT writes, held FROM lane WHERE endpoint = ?1 AND ord = ?2;
