-- The catalog's version row is locked, so no endpoint comes or goes meanwhile. An endpoint sees a common topic unless its
-- tenant has one of its own by that name.
DELETE FROM posthaste.topic t WHERE t.tenant = $1 AND t.name = $2
AND ($3 OR NOT EXISTS (
    SELECT FROM posthaste.endpoint e
    WHERE e.topics @> ARRAY[$2::text] AND (e.tenant = $1 OR ($1 = '' AND NOT EXISTS (
        SELECT FROM posthaste.topic o WHERE o.tenant = e.tenant AND o.name = $2)))))
RETURNING t.id
