DELETE FROM posthaste.closed WHERE id = ANY ($1)
