SELECT n FROM counter WHERE name = 'catalog_floor';
