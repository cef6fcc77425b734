-- The row's lock is held to the commit: catalog transactions follow one another.
WITH bumped AS (UPDATE posthaste.catalog_version SET version = version + 1 RETURNING version)
INSERT INTO posthaste.catalog_change (version, tenant, keys, erasures) SELECT version, $1::text, $2::bool, $3::bool FROM bumped
