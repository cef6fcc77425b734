SELECT min(id) FROM due;
