SELECT id, batch, deliver_at, tenant, topic, content_type, targets, extras FROM posthaste.message WHERE id = ANY ($1)
