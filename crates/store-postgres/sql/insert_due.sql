INSERT INTO posthaste.due (id, endpoint, due_at, ord, seq, attempts, failures, last_status, waiting_for, tenant, last_error)
SELECT id, endpoint, due_at, 0, 0, attempts, failures, last_status, waiting_for, tenant, last_error
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::integer[], $6::integer[], $7::smallint[], $8::text[], $9::text[])
    AS w (id, endpoint, due_at, attempts, failures, last_status, waiting_for, tenant, last_error)
ON CONFLICT DO NOTHING
