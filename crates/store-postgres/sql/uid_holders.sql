-- Each is looked up by itself: see key_holders.
SELECT k.place, u.id
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (tenant, kind, uid, place)
CROSS JOIN LATERAL (
    SELECT x.id FROM posthaste.uid x WHERE x.tenant = k.tenant AND x.kind = k.kind AND x.uid = k.uid LIMIT 1) u
