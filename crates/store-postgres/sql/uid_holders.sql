SELECT k.place, u.id
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (tenant, kind, uid, place)
JOIN posthaste.uid u ON u.tenant = k.tenant AND u.kind = k.kind AND u.uid = k.uid
