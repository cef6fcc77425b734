-- A row that waits already is brought forward, and begins a fresh schedule. Whether it is being sent stays with it.
INSERT INTO posthaste.due AS d
    (id, endpoint, due_at, ord, seq, attempts, failures, last_status, waiting_for, tenant, last_error)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10)
ON CONFLICT (endpoint, id) DO UPDATE SET due_at = least(d.due_at, excluded.due_at), failures = 0,
    waiting_for = excluded.waiting_for
