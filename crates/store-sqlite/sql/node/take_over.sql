DELETE FROM node WHERE id = ?1 AND beat = ?2;
