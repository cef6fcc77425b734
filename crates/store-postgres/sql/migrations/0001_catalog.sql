-- What people configure, and the one version that counts its changes.

-- Every transaction that changes a topic, an endpoint or a key updates this row first, so that catalog transactions
-- follow one another and "newer than what I saw" is a safe question.
CREATE TABLE posthaste.catalog_version (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
INSERT INTO posthaste.catalog_version (version) VALUES (1);

-- What each version changed; trimmed from its old end.
CREATE TABLE posthaste.catalog_change (
    version bigint PRIMARY KEY,
    -- Whose view changed; '' is every tenant's; NULL: nobody's.
    tenant text COLLATE "C",
    keys bool NOT NULL,
    erasures bool NOT NULL
);

CREATE TABLE posthaste.topic (
    id uuid PRIMARY KEY,
    -- '' is the catalogue that every tenant sees.
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    details text NOT NULL,
    revision integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE posthaste.endpoint (
    id uuid PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    uid text COLLATE "C",
    adhoc bool NOT NULL,
    settings text NOT NULL,
    -- The patterns of `settings`, for the questions who names a topic.
    topics text[] NOT NULL,
    state text NOT NULL,
    state_reason text,
    challenge text,
    secrets bytea NOT NULL,
    revision integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX endpoint_uid ON posthaste.endpoint (tenant, uid) WHERE uid IS NOT NULL;
CREATE INDEX endpoint_tenant ON posthaste.endpoint (tenant, adhoc, id);
CREATE INDEX endpoint_topics ON posthaste.endpoint USING gin (topics);

-- Settings as they were: a request is shown again from them, and `at_publish` endpoints are sent with them.
CREATE TABLE posthaste.endpoint_revision (
    endpoint uuid NOT NULL,
    revision integer NOT NULL,
    settings text NOT NULL,
    PRIMARY KEY (endpoint, revision)
);

CREATE TABLE posthaste.endpoint_health (
    endpoint uuid PRIMARY KEY,
    failing_since bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE posthaste.api_key (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    scopes text NOT NULL,
    tenant text COLLATE "C",
    expires_at bigint,
    last_used_at bigint,
    created_at bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE posthaste.schedule (
    id uuid PRIMARY KEY,
    number integer NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    uid text COLLATE "C",
    settings text NOT NULL,
    next_fire_at bigint,
    last_fire_at bigint,
    revision integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX schedule_uid ON posthaste.schedule (tenant, uid) WHERE uid IS NOT NULL;
CREATE INDEX schedule_next ON posthaste.schedule (next_fire_at) WHERE next_fire_at IS NOT NULL;
-- A schedule's number stands in the ids of its messages, so no number comes twice.
CREATE SEQUENCE posthaste.schedule_number AS integer MINVALUE 1 MAXVALUE 16777215 NO CYCLE;

-- No due time fires twice, whoever leads.
CREATE TABLE posthaste.schedule_fire (
    schedule uuid NOT NULL,
    fire_at bigint NOT NULL,
    PRIMARY KEY (schedule, fire_at)
);
