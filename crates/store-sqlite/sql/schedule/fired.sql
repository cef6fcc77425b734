INSERT INTO schedule_fire (schedule, fire_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING;
