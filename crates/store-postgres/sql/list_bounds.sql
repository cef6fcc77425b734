-- Where the lists begin: the day of the database's clock, and the oldest batch. No message without a place elsewhere is
-- older than that.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT id FROM posthaste.batch ORDER BY id LIMIT 1)
