INSERT INTO posthaste.uid (tenant, kind, uid, id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS u (tenant, kind, uid, id)
ORDER BY u.tenant COLLATE "C", u.kind COLLATE "C", u.uid COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING id
