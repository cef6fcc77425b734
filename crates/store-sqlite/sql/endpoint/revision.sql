SELECT settings FROM endpoint_revision WHERE endpoint = ?1 AND revision = ?2;
