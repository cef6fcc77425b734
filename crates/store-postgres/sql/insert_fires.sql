-- A due time that has fired is not fired again.
INSERT INTO posthaste.schedule_fire (schedule, fire_at) SELECT DISTINCT $1::uuid, unnest($2::bigint[])
ON CONFLICT DO NOTHING RETURNING fire_at
