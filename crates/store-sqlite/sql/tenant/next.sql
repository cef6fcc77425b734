-- The next name in each place where a tenant can own something: five look-ups in indexes, however many rows there are.
SELECT min(name) FROM (
    SELECT min(tenant) AS name FROM topic WHERE tenant > ?1
    UNION ALL SELECT min(tenant) FROM endpoint WHERE tenant > ?1
    UNION ALL SELECT min(tenant) FROM message WHERE tenant > ?1
    UNION ALL SELECT min(tenant) FROM schedule WHERE tenant > ?1
    UNION ALL SELECT min(tenant) FROM api_key WHERE tenant > ?1
);
