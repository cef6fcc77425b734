DELETE FROM catalog_log WHERE version <= ?1;
