-- Where deliveries are, in one snapshot. Each place is one probe of a primary key, in the partition that the id names.
SELECT w.id,
    d.id, d.endpoint, d.due_at, d.ord, d.seq, d.sending_by, d.waiting_for, d.tenant, d.attempts, d.failures, d.last_status,
    d.last_error,
    a.id, a.number, a.at, a.duration_micros, a.status,
    c.id, c.endpoint, c.at, c.status, c.reason, c.tenant, c.attempts, c.failures, c.last_status, c.last_error,
    c.ord, c.seq,
    b.id IS NOT NULL
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS w (id, last_child, endpoint, batch)
LEFT JOIN posthaste.due d ON d.endpoint = w.endpoint AND d.id = w.id
LEFT JOIN LATERAL (
    -- The newest success; a delivery that succeeded and was retried by request can have several. A sum, so that the index of
    -- successes is no choice: before the first ANALYZE of a day it looks cheap, and is read from end to end for each row.
    SELECT s.id, s.number, s.at, s.duration_micros, s.status FROM posthaste.attempt s
    WHERE s.id >= w.id AND s.id <= w.last_child AND s.outcome + 0 = 0 ORDER BY s.id DESC LIMIT 1
) a ON true
LEFT JOIN posthaste.closed c ON c.id = w.id
LEFT JOIN posthaste.batch b ON b.id = w.batch
