-- A topic that is not there does not abort the application's transaction any more: the message is refused when it is taken
-- in, as one that violates its schema is, and stays readable with `rejection`. So `--auto-topics` holds here too.

-- Delivered if and only if the surrounding transaction commits. SECURITY DEFINER, so that an application needs no more
-- than EXECUTE on this function; its search_path is pinned, so that no caller's table can stand in for ours.
CREATE OR REPLACE FUNCTION posthaste.publish(
    topic text,
    payload jsonb,
    tenant text DEFAULT 'default',
    idempotency_key text DEFAULT NULL,
    deliver_at timestamptz DEFAULT NULL,
    ordering_key text DEFAULT NULL,
    metadata jsonb DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    now_micros bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    new_id uuid;
    known uuid;
    known_hash bytea;
    document text;
    hash bytea;
BEGIN
    IF topic IS NULL OR payload IS NULL OR tenant IS NULL THEN
        RAISE EXCEPTION 'posthaste.publish: topic, payload and tenant must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(idempotency_key) > 255 THEN
        RAISE EXCEPTION 'posthaste.publish: idempotency_key is longer than 255 bytes' USING ERRCODE = '22001';
    END IF;
    document := jsonb_strip_nulls(jsonb_build_object(
        'topic', topic, 'tenant', tenant, 'idempotency_key', idempotency_key, 'ordering_key', ordering_key,
        -- What is infinite has no such form, and must not look as if nothing had been said: it is refused as it is.
        'deliver_at', coalesce(to_char(deliver_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), deliver_at::text)))::text;
    -- The payload is set in as it is: stripping nulls would change it.
    document := left(document, -1) || ', "payload": ' || payload::text
        || coalesce(', "metadata": ' || metadata::text, '') || '}';
    new_id := posthaste.outbox_id(now_micros / 1000, nextval('posthaste.outbox_counter'));
    IF idempotency_key IS NOT NULL THEN
        hash := sha256(convert_to(document, 'UTF8'));
        -- In share with publishers, apart from the rotation of the generations.
        PERFORM pg_advisory_xact_lock_shared(5785531236411219000);
        SELECT i.id, i.request_hash INTO known, known_hash FROM posthaste.idempotency i
        WHERE i.generation IN (0, 1) AND i.tenant = publish.tenant AND i.verb = 'messages'
            AND i.key = convert_to(publish.idempotency_key, 'UTF8');
        IF known IS NULL THEN
            INSERT INTO posthaste.idempotency (generation, tenant, verb, key, id, request_hash)
            SELECT c.generation, publish.tenant, 'messages', convert_to(publish.idempotency_key, 'UTF8'), new_id, hash
            FROM posthaste.idempotency_current c
            ON CONFLICT DO NOTHING;
            SELECT i.id, i.request_hash INTO known, known_hash FROM posthaste.idempotency i
            WHERE i.generation IN (0, 1) AND i.tenant = publish.tenant AND i.verb = 'messages'
                AND i.key = convert_to(publish.idempotency_key, 'UTF8');
        END IF;
        IF known <> new_id AND known_hash <> hash THEN
            RAISE EXCEPTION 'posthaste.publish: idempotency_key was used for another message'
                USING ERRCODE = '23505', HINT = 'Use a new key.';
        END IF;
        IF known <> new_id THEN
            RETURN posthaste.message_id_text(known);
        END IF;
    END IF;
    INSERT INTO posthaste.outbox (id, at, draft) VALUES (new_id, now_micros, document);
    RETURN posthaste.message_id_text(new_id);
END
$$;
