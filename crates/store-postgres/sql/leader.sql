SELECT l.node, l.term FROM posthaste.leader l JOIN posthaste.node n ON n.id = l.node
