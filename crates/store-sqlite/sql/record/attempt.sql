INSERT INTO attempt (id, endpoint, ok, revision, number, at, duration, outcome, status_code, error, capture)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT DO NOTHING;
