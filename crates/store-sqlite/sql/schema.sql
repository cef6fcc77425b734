-- Ids are 16 bytes, big-endian, so that they sort as the ids do; instants are microseconds since 1970.
-- WITHOUT ROWID: the id is the place, one tree instead of a table and an index.

-- The payload is the last column: reading a message without it never touches its overflow pages. It has the message's
-- age, so a table of its own would only be a second tree to write.
CREATE TABLE message (
    id BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    topic TEXT,
    content_type TEXT NOT NULL,
    targets BLOB NOT NULL,
    batch BLOB NOT NULL,
    deliver_at INTEGER,
    extras TEXT,
    origin BLOB,
    payload BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_tenant ON message (tenant, id);
-- Which replays a message is the origin of; costs nothing for all others.
CREATE INDEX message_origin ON message (origin) WHERE origin IS NOT NULL;

CREATE TABLE batch (
    id BLOB NOT NULL PRIMARY KEY,
    node BLOB,
    cancelled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- The tenant is the message's. The capture is the last column for the same reason as the payload above; when its age is
-- over it is set to NULL.
CREATE TABLE attempt (
    id BLOB NOT NULL PRIMARY KEY,
    endpoint BLOB NOT NULL,
    ok INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    status_code INTEGER,
    error TEXT,
    capture BLOB
) WITHOUT ROWID;
-- ok is 1 for a success. Ids nest, so within an endpoint this is the order of deliveries too.
CREATE INDEX attempt_endpoint ON attempt (endpoint, ok, id);
-- Captures of attempts made long after their message was accepted: the walk by id has passed them already.
CREATE TABLE late_capture (
    at INTEGER NOT NULL,
    attempt BLOB NOT NULL,
    PRIMARY KEY (at, attempt)
) WITHOUT ROWID;

CREATE TABLE due (
    id BLOB NOT NULL PRIMARY KEY,
    endpoint BLOB NOT NULL,
    tenant TEXT NOT NULL,
    ord INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    waiting_for INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    sending_by BLOB
) WITHOUT ROWID;
-- Both kinds of lane: without an order seq is 0, so it is read by (due_at, id); with one, by seq.
CREATE INDEX due_lane ON due (endpoint, ord, seq, due_at, id);
CREATE INDEX due_endpoint ON due (endpoint, id);
CREATE INDEX due_tenant ON due (tenant, id);

CREATE TABLE lane (
    endpoint BLOB NOT NULL,
    ord INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    next_at INTEGER NOT NULL,
    writes INTEGER NOT NULL,
    held INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint, ord)
) WITHOUT ROWID;
CREATE INDEX lane_ready ON lane (next_at) WHERE held = 0;
CREATE INDEX lane_shard ON lane (shard);

-- ord and seq: the place in its ordered lane, to which a retry brings it back.
CREATE TABLE closed (
    id BLOB NOT NULL PRIMARY KEY,
    endpoint BLOB NOT NULL,
    tenant TEXT NOT NULL,
    status INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    ord INTEGER NOT NULL,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX closed_status ON closed (status, id);
CREATE INDEX closed_endpoint ON closed (endpoint, status, id);
CREATE INDEX closed_tenant ON closed (tenant, status, id);

CREATE TABLE uid (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    uid TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (tenant, kind, uid)
) WITHOUT ROWID;
CREATE INDEX uid_id ON uid (id);

-- Two generations: the older one is emptied as a whole, which SQLite does without looking at its rows.
CREATE TABLE idempotency_0 (
    tenant TEXT NOT NULL,
    verb TEXT NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,
    request_hash BLOB NOT NULL,
    PRIMARY KEY (tenant, verb, key)
) WITHOUT ROWID;
CREATE TABLE idempotency_1 (
    tenant TEXT NOT NULL,
    verb TEXT NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,
    request_hash BLOB NOT NULL,
    PRIMARY KEY (tenant, verb, key)
) WITHOUT ROWID;
CREATE TABLE generation (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    current INTEGER NOT NULL,
    since INTEGER NOT NULL
);
INSERT INTO generation VALUES (1, 0, 0);

-- Numbers that only ever grow, each under its name.
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    n INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter VALUES ('catalog', 0), ('catalog_floor', 0), ('node', 0), ('place', 0), ('schedule', 0), ('outbox', 0), ('term', 0);

CREATE TABLE catalog_log (
    version INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    tenant TEXT
);

-- The tenant '' is the common catalogue.
CREATE TABLE topic (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    id BLOB NOT NULL UNIQUE,
    details TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

CREATE TABLE endpoint (
    id BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    uid TEXT,
    adhoc INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    state_reason TEXT,
    challenge TEXT,
    secrets BLOB NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX endpoint_tenant ON endpoint (tenant, adhoc, id);
CREATE TABLE endpoint_revision (
    endpoint BLOB NOT NULL,
    revision INTEGER NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (endpoint, revision)
) WITHOUT ROWID;
CREATE TABLE endpoint_health (
    endpoint BLOB NOT NULL PRIMARY KEY,
    failing_since INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    tenant TEXT,
    expires_at INTEGER,
    last_used_at INTEGER,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_key_tenant ON api_key (tenant, id);

-- Fence and heartbeat in one row: there is one writer, so nothing can starve the renewal.
CREATE TABLE node (
    id BLOB NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    version TEXT NOT NULL,
    roles TEXT NOT NULL,
    beat INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    applied INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE shard (
    n INTEGER NOT NULL PRIMARY KEY,
    node BLOB
);
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 255)
INSERT INTO shard (n) SELECT n FROM numbers;
CREATE TABLE leader (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    node BLOB NOT NULL,
    term INTEGER NOT NULL
);

CREATE TABLE job (
    id BLOB NOT NULL PRIMARY KEY,
    kind INTEGER NOT NULL,
    tenant TEXT,
    endpoint BLOB,
    spec TEXT NOT NULL,
    state INTEGER NOT NULL,
    cursor BLOB,
    matched INTEGER NOT NULL,
    done INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    node BLOB
) WITHOUT ROWID;
-- At most 256 rows are running.
CREATE INDEX job_running ON job (id) WHERE state = 1;

CREATE TABLE schedule (
    id BLOB NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    uid TEXT,
    settings TEXT NOT NULL,
    next_fire_at INTEGER,
    last_fire_at INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX schedule_tenant ON schedule (tenant, id);
CREATE INDEX schedule_next ON schedule (next_fire_at) WHERE next_fire_at IS NOT NULL;
CREATE TABLE schedule_fire (
    schedule BLOB NOT NULL,
    fire_at INTEGER NOT NULL,
    PRIMARY KEY (schedule, fire_at)
) WITHOUT ROWID;
CREATE INDEX schedule_fire_at ON schedule_fire (fire_at);

-- AUTOINCREMENT: a place is never given twice, so nobody takes a later row for one that it knows.
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    draft TEXT NOT NULL
);

-- How far the sweeps of retention have come.
CREATE TABLE horizon (
    name TEXT NOT NULL PRIMARY KEY,
    cursor BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO horizon VALUES ('messages', zeroblob(16)), ('captures', zeroblob(16));

-- Deliveries erased by themselves, their message being kept: what is still in somebody's memory must not come back.
CREATE TABLE erased (
    id BLOB NOT NULL PRIMARY KEY
) WITHOUT ROWID;
