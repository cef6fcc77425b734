-- When messages expire: only those that do, until somebody has looked whether anything of them still waits then. A stopped
-- endpoint's lane sleeps, so nobody else would look.
CREATE TABLE posthaste.expiring (
    at bigint NOT NULL,
    id uuid NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    PRIMARY KEY (at, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
