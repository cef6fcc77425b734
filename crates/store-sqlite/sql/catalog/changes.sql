SELECT DISTINCT kind, tenant FROM catalog_log WHERE version > ?1;
