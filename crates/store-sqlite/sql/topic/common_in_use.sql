-- A tenant with a topic of its own of that name does not see the common one.
SELECT 1 FROM endpoint e, json_each(e.settings, '$.topics') pattern
WHERE pattern.value = ?1 AND NOT EXISTS (SELECT 1 FROM topic own WHERE own.tenant = e.tenant AND own.name = ?1)
LIMIT 1;
