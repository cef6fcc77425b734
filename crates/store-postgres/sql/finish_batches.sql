DELETE FROM posthaste.batch WHERE id = ANY ($1)
