-- The fence in share: a take-over either waits for this beat and sees it moved, or this finds no fence.
WITH fence AS MATERIALIZED (
    SELECT id FROM posthaste.node WHERE id = $1 FOR SHARE
)
UPDATE posthaste.beat b
SET beat = b.beat + 1, heartbeat_at = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, applied = greatest(b.applied, $2)
FROM fence WHERE b.node = fence.id
RETURNING heartbeat_at, (SELECT version FROM posthaste.catalog_version)
