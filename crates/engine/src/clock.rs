//! The engine's clock: this machine's monotonic time, set to the database's wall clock.
//!
//! Ids, due times and leases are compared between nodes only through the database, so its clock is the one that counts.
//! Each renewal of the lease corrects the offset; between renewals the monotonic clock carries on, so a step of this
//! machine's wall clock moves nothing.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use posthaste_core::Timestamp;

/// Tells the database's time.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// Database microseconds at `started`.
    offset: AtomicI64,
}

impl Clock {
    /// A clock that shows `now` at this moment.
    pub fn set_to(now: Timestamp) -> Self {
        Self { started: Instant::now(), offset: AtomicI64::new(now.as_micros()) }
    }

    /// The database's time, as far as this node knows.
    pub fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.offset.load(Ordering::Relaxed).saturating_add(elapsed))
    }

    /// Takes the database's time from an answer to a question asked at `asked` and received at this moment. The
    /// database read its clock somewhere in between; the middle halves the error.
    pub fn correct(&self, now: Timestamp, asked: Instant) {
        let half = asked.elapsed() / 2;
        let elapsed = self.started.elapsed().saturating_sub(half);
        let elapsed = i64::try_from(elapsed.as_micros()).unwrap_or(0);
        self.offset.store(now.as_micros().saturating_sub(elapsed), Ordering::Relaxed);
    }
}
