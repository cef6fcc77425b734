SELECT current, since FROM generation;
