INSERT INTO catalog_log (version, kind, tenant) VALUES (?1, ?2, ?3);
