-- Messages and what became of them. All times are microseconds since 1970.

-- Insert-only tables are partitioned by ranges of the id, which begins with the time: one partition a day, made ahead.
-- What belongs to no such day (late attempts of old messages, and what retention carried over) lies in DEFAULT.
CREATE TABLE posthaste.message (
    id uuid NOT NULL,
    batch uuid NOT NULL,
    deliver_at bigint,
    tenant text COLLATE "C" NOT NULL,
    topic text COLLATE "C",
    content_type text NOT NULL,
    -- A version byte, then 16 bytes of endpoint and 4 of revision for each position.
    targets bytea NOT NULL,
    extras text,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
ALTER TABLE posthaste.message ALTER COLUMN targets SET STORAGE EXTERNAL;
CREATE INDEX message_tenant ON posthaste.message (tenant, id);
CREATE TABLE posthaste.message_default PARTITION OF posthaste.message DEFAULT;

CREATE TABLE posthaste.payload (
    id uuid NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
-- Not compressed: that would cost more than all else that is done for a message.
ALTER TABLE posthaste.payload ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE posthaste.payload_default PARTITION OF posthaste.payload DEFAULT;

CREATE TABLE posthaste.attempt (
    id uuid NOT NULL,
    endpoint uuid NOT NULL,
    at bigint NOT NULL,
    duration_micros bigint NOT NULL,
    revision integer NOT NULL,
    number integer NOT NULL,
    outcome smallint NOT NULL,
    status smallint,
    tenant text COLLATE "C" NOT NULL,
    error text,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
-- Outcome 0 is success. Each attempt stands in one of the two.
CREATE INDEX attempt_succeeded ON posthaste.attempt (endpoint, id) WHERE outcome = 0;
CREATE INDEX attempt_failed ON posthaste.attempt (endpoint, id) WHERE outcome <> 0;
CREATE TABLE posthaste.attempt_default PARTITION OF posthaste.attempt DEFAULT;

CREATE TABLE posthaste.capture (
    id uuid NOT NULL,
    -- The response, packed by the program (capture.rs).
    response bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
ALTER TABLE posthaste.capture ALTER COLUMN response SET STORAGE EXTERNAL;
CREATE TABLE posthaste.capture_default PARTITION OF posthaste.capture DEFAULT;

-- Deliveries that ended without success.
CREATE TABLE posthaste.closed (
    id uuid NOT NULL,
    endpoint uuid NOT NULL,
    at bigint NOT NULL,
    -- Where it had its place in an ordered lane, to go back there if it is retried.
    ord bigint NOT NULL,
    seq bigint NOT NULL,
    attempts integer NOT NULL,
    failures integer NOT NULL,
    status smallint NOT NULL,
    reason smallint NOT NULL,
    last_status integer,
    tenant text COLLATE "C" NOT NULL,
    last_error text,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX closed_endpoint ON posthaste.closed (endpoint, id);
CREATE INDEX closed_tenant ON posthaste.closed (tenant, id);
CREATE TABLE posthaste.closed_default PARTITION OF posthaste.closed DEFAULT;

-- What is being sent for the first time, a second of one node's commits in one row.
CREATE TABLE posthaste.batch (
    id uuid PRIMARY KEY,
    node uuid,
    cancelled bool NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Deliveries that wait.
CREATE TABLE posthaste.due (
    id uuid NOT NULL,
    endpoint uuid NOT NULL,
    due_at bigint NOT NULL,
    -- The lane's order, 0 for none, and the place in it.
    ord bigint NOT NULL,
    seq bigint NOT NULL,
    sending_by uuid,
    attempts integer NOT NULL,
    failures integer NOT NULL,
    last_status integer,
    waiting_for smallint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    last_error text,
    PRIMARY KEY (endpoint, id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX due_at ON posthaste.due (endpoint, due_at, id) WHERE ord = 0;
CREATE INDEX due_seq ON posthaste.due (endpoint, ord, seq) WHERE ord <> 0;
CREATE INDEX due_tenant ON posthaste.due (tenant, id);

-- One row for each endpoint, or ordering key of it, with rows in `due`: polling looks here, so a stopped endpoint's
-- millions of rows are never looked past.
CREATE TABLE posthaste.lane (
    endpoint uuid NOT NULL,
    ord bigint NOT NULL,
    next_at bigint NOT NULL,
    next_seq bigint NOT NULL,
    writes bigint NOT NULL,
    shard smallint NOT NULL,
    hold bool NOT NULL DEFAULT false,
    tenant text COLLATE "C" NOT NULL,
    PRIMARY KEY (endpoint, ord)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX lane_next ON posthaste.lane (next_at) WHERE NOT hold;

-- Callers' own ids, and the marks of follow-up messages; only where given.
CREATE TABLE posthaste.uid (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    uid text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    PRIMARY KEY (tenant, kind, uid)
);
CREATE INDEX uid_id ON posthaste.uid (id);

-- Idempotency keys in two generations that take turns: the older is truncated whole. Publishers hold an advisory lock
-- in share while they look at both, the rotation holds it alone.
CREATE TABLE posthaste.idempotency (
    generation smallint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    verb text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    id uuid NOT NULL,
    request_hash bytea NOT NULL,
    PRIMARY KEY (generation, tenant, verb, key)
) PARTITION BY LIST (generation);
CREATE TABLE posthaste.idempotency_0 PARTITION OF posthaste.idempotency FOR VALUES IN (0);
CREATE TABLE posthaste.idempotency_1 PARTITION OF posthaste.idempotency FOR VALUES IN (1);
CREATE TABLE posthaste.idempotency_current (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    generation smallint NOT NULL,
    since bigint NOT NULL
);
INSERT INTO posthaste.idempotency_current (generation, since)
VALUES (0, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

-- Messages accepted before this instant may be gone.
CREATE TABLE posthaste.horizon (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    at bigint NOT NULL
);
INSERT INTO posthaste.horizon (at) VALUES (0);

-- The first tenant after this name that owns anything: one probe of each table's index.
CREATE FUNCTION posthaste.next_tenant(after text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT least(
        (SELECT tenant FROM posthaste.topic WHERE tenant > after ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM posthaste.endpoint WHERE tenant > after ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM posthaste.message WHERE tenant > after ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM posthaste.schedule WHERE tenant > after ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM posthaste.api_key WHERE tenant > after ORDER BY tenant LIMIT 1))
$$;

-- The message that a delivery's or an attempt's id begins with: its last 46 bits are zeros.
CREATE FUNCTION posthaste.message_of(id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (left(id::text, 24) || to_hex((('x' || substr(id::text, 25, 1))::bit(4) & B'1100')::integer)
        || '00000000000')::uuid
$$;

-- The largest id that a delivery or an attempt of a message can have: its last 46 bits are ones.
CREATE FUNCTION posthaste.last_child(id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (left(id::text, 24) || to_hex((('x' || substr(id::text, 25, 1))::bit(4) | B'0011')::integer)
        || 'fffffffffff')::uuid
$$;
