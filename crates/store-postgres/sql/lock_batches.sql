-- In the order of their ids, as everybody locks them. A cancel and a take-over's first look lock the same rows.
SELECT id, cancelled FROM posthaste.batch WHERE id = ANY ($1) ORDER BY id FOR UPDATE
