-- Which of these deliveries have a success on record, and which are closed; read after the locks.
SELECT w.id,
    EXISTS (SELECT FROM posthaste.attempt a
        WHERE a.id >= w.id AND a.id <= w.last_child AND a.outcome = 0),
    EXISTS (SELECT FROM posthaste.closed c WHERE c.id = w.id),
    -- Erased while it was in its owner's memory: nothing of it is placed anywhere.
    -- (Its message is gone, or its target in it is blank.)
    NOT EXISTS (SELECT FROM posthaste.message m
        WHERE m.id = w.message AND substring(m.targets FROM w.target FOR 16) <> decode(repeat('00', 16), 'hex'))
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[]) AS w (id, last_child, message, target)
