-- Also where the row is said to be there already: one probe, and nothing is ever owed by a batch without a row.
INSERT INTO batch (id, node) VALUES (?1, ?2) ON CONFLICT DO NOTHING;
