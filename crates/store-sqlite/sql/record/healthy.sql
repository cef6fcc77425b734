DELETE FROM endpoint_health WHERE endpoint = ?1;
