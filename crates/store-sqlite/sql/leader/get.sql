SELECT l.node, l.term FROM leader l JOIN node n ON n.id = l.node;
