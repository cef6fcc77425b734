-- Whether a tenant's own part of the catalog may have changed between a version and this transaction's.
SELECT ?1 < (SELECT n FROM counter WHERE name = 'catalog_floor') OR EXISTS (
    SELECT 1 FROM catalog_log
    WHERE version > ?1 AND version < (SELECT n FROM counter WHERE name = 'catalog') AND tenant = ?2);
