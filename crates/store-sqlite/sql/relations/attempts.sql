-- Without what was kept of responses, which may be large.
SELECT id, endpoint, revision, number, at, duration, outcome, status_code, error, NULL FROM attempt
WHERE id >= ?1 AND id <= ?2 AND id < ?3 ORDER BY id DESC;
