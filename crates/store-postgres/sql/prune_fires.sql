DELETE FROM posthaste.schedule_fire WHERE fire_at < $1
