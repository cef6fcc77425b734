-- Whoever is further behind than this loads everything anew.
DELETE FROM posthaste.catalog_change WHERE version <= (SELECT version FROM posthaste.catalog_version) - 10000
