-- One row at least. "Cut" says that the log no longer reaches back to what was asked for.
SELECT v.version, v.version > $1 AND $1 < coalesce((SELECT min(version) FROM posthaste.catalog_change), v.version + 1) - 1,
    c.tenant, c.keys, c.erasures
FROM posthaste.catalog_version v
LEFT JOIN posthaste.catalog_change c ON c.version > $1 AND c.version <= v.version
