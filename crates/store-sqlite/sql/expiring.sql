-- When messages expire: only those that do, until somebody has looked whether anything of them still waits then. A stopped
-- endpoint's lane sleeps, so nobody else would look.
CREATE TABLE expiring (
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (at, id)
) WITHOUT ROWID;
