//! Which due times are owed when a schedule is looked at, perhaps long after some of them.

use std::time::Duration;

use super::Cron;
use crate::schedule::Missed;
use crate::time::Timestamp;

/// The most due times that are owed at once; of more, the last ones are.
pub const MAX_OWED: usize = 1_000;

/// How late a due time may be noticed and still count as on time: a leader's pause, a change of leader.
pub const GRACE: Duration = Duration::from_secs(60);

/// What is owed at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The due times to publish for, oldest first; at most [`MAX_OWED`].
    pub due: Vec<Timestamp>,
    /// When to look again; `None`: never.
    pub next: Option<Timestamp>,
}

/// What is owed at `now` by a schedule whose due times up to `last` are dealt with. Before its first due time `last` is
/// when it was created, changed or enabled.
///
/// Due times of the last [`GRACE`] are on time and are owed each. If there are older ones, which nobody was there to fire,
/// the policy decides: `skip` forgets those, `fire_once` owes one message for all of them together with what is on time
/// (the latest due time), `fire_all` owes each.
pub fn owed(cron: &Cron, last: Timestamp, now: Timestamp, policy: Missed) -> Owed {
    let next = cron.next_after(now);
    let on_time_from = (now - GRACE).max(last);
    let missed = cron.next_after(last).is_some_and(|first| first <= on_time_from);
    let due = match policy {
        Missed::Skip => latest(cron, on_time_from, now, MAX_OWED),
        Missed::FireOnce if missed => latest(cron, last, now, 1),
        Missed::FireOnce | Missed::FireAll => latest(cron, last, now, MAX_OWED),
    };
    Owed { due, next }
}

/// The last `limit` due times after `last` and up to `now`.
///
/// Cron runs forwards only, and years of seconds may lie between the two. So a start is searched by halving from which
/// there are enough, but not many more, due times; none of the tries looks at more than four times the limit.
fn latest(cron: &Cron, last: Timestamp, now: Timestamp, limit: usize) -> Vec<Timestamp> {
    let most = limit * 4;
    // After `early` there are too many due times, after `late` too few.
    let (mut early, mut late) = (last, now);
    let mut start = last;
    loop {
        let due = up_to(cron, start, now, most + 1);
        if due.len() > most {
            early = start;
        } else if due.len() < limit && start > last {
            late = start;
        } else {
            return due[due.len().saturating_sub(limit)..].to_vec();
        }
        let middle = early + late.since(early) / 2;
        if middle <= early || middle >= late {
            // Due times are whole seconds apart, so there is a start between the two; this is for a clock gone mad.
            return due[due.len().saturating_sub(limit)..].to_vec();
        }
        start = middle;
    }
}

/// The first `most` due times after `start` and up to `now`.
fn up_to(cron: &Cron, start: Timestamp, now: Timestamp, most: usize) -> Vec<Timestamp> {
    std::iter::successors(cron.next_after(start), |due| cron.next_after(*due))
        .take_while(|due| *due <= now)
        .take(most)
        .collect()
}
