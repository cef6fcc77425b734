-- Also what failed deliveries left behind: their rows hold the id of the message that was left.
DELETE FROM uid WHERE id >= ?1 AND id <= ?2 AND kind IN ('message', 'dead_letter', 'failed_event');
