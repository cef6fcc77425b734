-- The rows are locked already. A row that goes on waiting is not being sent any more.
UPDATE posthaste.due d
SET due_at = w.due_at, attempts = w.attempts, failures = w.failures, last_status = w.last_status,
    waiting_for = w.waiting_for, last_error = w.last_error, sending_by = NULL
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::integer[], $6::integer[], $7::smallint[], $8::text[], $9::text[])
    AS w (id, endpoint, due_at, attempts, failures, last_status, waiting_for, tenant, last_error)
WHERE d.endpoint = w.endpoint AND d.id = w.id
