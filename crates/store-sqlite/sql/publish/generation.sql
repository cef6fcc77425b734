SELECT current FROM generation;
