SELECT 1 FROM endpoint e, json_each(e.settings, '$.topics') pattern
WHERE e.tenant = ?1 AND pattern.value = ?2 LIMIT 1;
