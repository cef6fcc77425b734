INSERT INTO posthaste.closed
    (id, endpoint, at, ord, seq, attempts, failures, status, reason, last_status, tenant, last_error)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
    $8::smallint[], $9::smallint[], $10::integer[], $11::text[], $12::text[])
ON CONFLICT DO NOTHING
