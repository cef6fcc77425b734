-- The rows are locked already.
UPDATE posthaste.batch SET cancelled = true WHERE id = ANY ($1) AND NOT cancelled
