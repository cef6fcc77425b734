SELECT 1 FROM node WHERE id = ?1;
