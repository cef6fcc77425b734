-- The catalog's version row is locked, and this transaction's own change is noted already, so what stands between the
-- version that was checked and this one is all that came meanwhile. If the note after that version is gone, nobody knows.
UPDATE posthaste.endpoint SET tenant = $2, uid = $3, adhoc = $4, settings = $5, topics = $6, state = $7, state_reason = $8,
    challenge = $9, secrets = $10, revision = $11, created_at = $12, updated_at = $13
WHERE id = $1 AND revision = $11 - 1
    AND ($14::bigint IS NULL OR (
        EXISTS (SELECT FROM posthaste.catalog_change WHERE version = $14 + 1)
        AND NOT EXISTS (
            SELECT FROM posthaste.catalog_change c
            WHERE c.version > $14 AND c.version < (SELECT version FROM posthaste.catalog_version) AND c.tenant = $2)))
RETURNING id
