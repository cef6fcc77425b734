-- Who may write.

-- The fence: only ever inserted and deleted. Owners' transactions lock it FOR SHARE.
CREATE TABLE posthaste.node (
    id uuid PRIMARY KEY,
    number smallint NOT NULL UNIQUE,
    version text NOT NULL,
    roles text[] NOT NULL
);
-- Apart from `node`, because share locks that overlap without end would starve the renewal of the row they hold.
CREATE TABLE posthaste.beat (
    node uuid PRIMARY KEY,
    beat bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    applied bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
-- Schedules have number 1022 and the outbox 1023 to themselves.
CREATE SEQUENCE posthaste.node_number AS integer MINVALUE 0 MAXVALUE 1021 CYCLE;

CREATE TABLE posthaste.shard (
    shard smallint PRIMARY KEY,
    node uuid
) WITH (fillfactor = 25);
INSERT INTO posthaste.shard (shard) SELECT generate_series(0, 255);

CREATE TABLE posthaste.leader (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    node uuid,
    term bigint NOT NULL
);
INSERT INTO posthaste.leader (term) VALUES (0);

CREATE TABLE posthaste.job (
    id uuid PRIMARY KEY,
    kind smallint NOT NULL,
    tenant text COLLATE "C",
    endpoint uuid,
    spec text NOT NULL,
    state smallint NOT NULL,
    cursor uuid,
    matched bigint NOT NULL,
    done bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    -- Who works on it; free if that node is gone.
    node uuid
) WITH (fillfactor = 50);
-- State 1: running.
CREATE INDEX job_running ON posthaste.job (id) WHERE state = 1;
