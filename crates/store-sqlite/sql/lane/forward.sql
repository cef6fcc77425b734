-- The first of an ordered lane has gone: the next one can be looked at.
UPDATE lane SET next_at = min(next_at, ?3) WHERE endpoint = ?1 AND ord = ?2;
