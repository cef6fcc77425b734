SELECT id, endpoint, revision, number, at, duration, outcome, status_code, error, capture FROM attempt WHERE id = ?1;
