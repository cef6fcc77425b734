SELECT id FROM posthaste.message WHERE id = ANY ($1) AND batch = ANY ($2)
