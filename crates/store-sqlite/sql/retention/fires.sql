DELETE FROM schedule_fire WHERE (schedule, fire_at) IN
    (SELECT schedule, fire_at FROM schedule_fire WHERE fire_at < ?1 ORDER BY fire_at LIMIT ?2);
