INSERT INTO late_capture (at, attempt) VALUES (?1, ?2) ON CONFLICT DO NOTHING;
