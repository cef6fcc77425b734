-- Letting go of what is old.

-- The messages of a range that something is still owed of: in `due`, or in a batch.
CREATE FUNCTION posthaste.owed_between(low uuid, high uuid, most integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE tenants (tenant) AS (
        -- From one tenant to the next by the index: `due` has none by id alone.
        (SELECT d.tenant FROM posthaste.due d ORDER BY d.tenant LIMIT 1)
        UNION ALL
        SELECT n.tenant FROM tenants t CROSS JOIN LATERAL (
            SELECT d.tenant FROM posthaste.due d WHERE d.tenant > t.tenant ORDER BY d.tenant LIMIT 1) n
    )
    SELECT owed.id FROM (
        SELECT posthaste.message_of(d.id) AS id FROM tenants t
        JOIN posthaste.due d ON d.tenant = t.tenant AND d.id >= low AND d.id < high
        UNION
        -- A batch's messages are younger than its id, by a second at most; a day's last batch reaches into the next.
        SELECT m.id FROM posthaste.message m JOIN posthaste.batch b ON b.id = m.batch
        WHERE m.id >= low AND m.id < high AND EXISTS (SELECT FROM posthaste.batch x WHERE x.id < high)
    ) owed LIMIT most
$$;

-- Whether something is owed of one message.
CREATE FUNCTION posthaste.is_owed(id uuid, batch uuid, targets bytea) RETURNS bool
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM posthaste.batch b WHERE b.id = batch) OR EXISTS (
        SELECT FROM generate_series(1, (octet_length(targets) - 1) / 20) AS n
        JOIN posthaste.due d ON d.endpoint = encode(substr(targets, 2 + (n - 1) * 20, 16), 'hex')::uuid
            AND d.id > is_owed.id AND d.id <= posthaste.last_child(is_owed.id))
$$;

-- Drops one day: `suffix` names its partitions. False: more of it is owed than `carried`, so it stays. The caller has set
-- a short lock_timeout: the tables are locked whole, and everybody waits meanwhile.
CREATE FUNCTION posthaste.drop_day(suffix text, low uuid, high uuid, carried integer) RETURNS bool
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owed uuid[];
    part text;
BEGIN
    -- A retry holds the horizon in share: it came before, and what it put into `due` is seen, or it finds nothing.
    PERFORM FROM posthaste.horizon FOR UPDATE;
    owed := ARRAY(SELECT posthaste.owed_between(low, high, carried + 1));
    IF cardinality(owed) > carried THEN
        RETURN false;
    END IF;
    LOCK TABLE posthaste.message, posthaste.payload, posthaste.attempt, posthaste.closed IN ACCESS EXCLUSIVE MODE;
    DELETE FROM posthaste.uid u WHERE u.id >= low AND u.id < high AND NOT u.id = ANY (owed);
    FOREACH part IN ARRAY ARRAY['message', 'payload', 'attempt', 'closed'] LOOP
        CONTINUE WHEN to_regclass('posthaste.' || part || suffix) IS NULL;
        EXECUTE format('ALTER TABLE posthaste.%I DETACH PARTITION posthaste.%I', part, part || suffix);
        -- Inserted again, and no partition is for them any more: they land in the default one.
        EXECUTE format('INSERT INTO posthaste.%I SELECT p.* FROM unnest($1) AS o (id) JOIN posthaste.%I p ON p.id >= o.id '
            'AND p.id <= posthaste.last_child(o.id)', part, part || suffix) USING owed;
        EXECUTE format('DROP TABLE posthaste.%I', part || suffix);
    END LOOP;
    RETURN true;
END
$$;

-- Removes some of what lies in the default partitions and is older than the ages; says how many messages, and whether
-- anything. `most` bounds each table.
CREATE FUNCTION posthaste.prune_default(cut uuid, captures_cut uuid, most integer, OUT messages bigint, OUT any_row bool)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone uuid[];
    removed bigint;
BEGIN
    PERFORM FROM posthaste.horizon FOR UPDATE;
    gone := ARRAY(
        SELECT m.id FROM posthaste.message_default m
        WHERE m.id < cut AND NOT posthaste.is_owed(m.id, m.batch, m.targets) ORDER BY m.id LIMIT most);
    messages := cardinality(gone);
    any_row := messages > 0;
    DELETE FROM posthaste.uid WHERE id = ANY (gone);
    DELETE FROM posthaste.payload WHERE id = ANY (gone);
    DELETE FROM posthaste.message_default WHERE id = ANY (gone);
    -- What hangs on a message that is gone, whether now or with its day.
    DELETE FROM posthaste.attempt_default WHERE id IN (
        SELECT a.id FROM posthaste.attempt_default a
        WHERE a.id < cut AND NOT EXISTS (SELECT FROM posthaste.message m WHERE m.id = posthaste.message_of(a.id))
        ORDER BY a.id LIMIT most);
    GET DIAGNOSTICS removed = ROW_COUNT;
    any_row := any_row OR removed > 0;
    DELETE FROM posthaste.closed_default WHERE id IN (
        SELECT c.id FROM posthaste.closed_default c
        WHERE c.id < cut AND NOT EXISTS (SELECT FROM posthaste.message m WHERE m.id = posthaste.message_of(c.id))
        ORDER BY c.id LIMIT most);
    GET DIAGNOSTICS removed = ROW_COUNT;
    any_row := any_row OR removed > 0;
    DELETE FROM posthaste.capture_default WHERE id IN (
        SELECT c.id FROM posthaste.capture_default c WHERE c.id < captures_cut ORDER BY c.id LIMIT most);
    GET DIAGNOSTICS removed = ROW_COUNT;
    any_row := any_row OR removed > 0;
END
$$;
