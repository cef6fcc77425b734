-- Which of these deliveries have a success on record, which are closed, and which were erased while they were in their
-- owner's memory, so that nothing of them is placed anywhere: the message is gone, or the target in it is blank. Read after
-- the locks. Each probe is ordered by the id, which only the primary key offers, and asks for successes by a sum, which
-- leaves their own index out: this plan is kept, and it may have been made when the day's partition was empty and every
-- index looked alike.
SELECT w.id,
    (SELECT a.id FROM posthaste.attempt a
        WHERE a.id >= w.id AND a.id <= w.last_child AND a.outcome + 0 = 0 ORDER BY a.id LIMIT 1) IS NOT NULL,
    (SELECT c.id FROM posthaste.closed c WHERE c.id >= w.id AND c.id <= w.id ORDER BY c.id LIMIT 1) IS NOT NULL,
    coalesce((SELECT substr(m.targets, w.target, 16) = decode(repeat('00', 16), 'hex')
        FROM posthaste.message m WHERE m.id >= w.message AND m.id <= w.message ORDER BY m.id LIMIT 1), true)
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[]) AS w (id, last_child, message, target)
