//! The benchmark's own clock: nanoseconds since it began, the same for every thread.

use std::time::{Duration, Instant};

/// Counts nanoseconds from the moment it was made; copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero, now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    pub fn now(self) -> u64 {
        nanos(self.0.elapsed())
    }

    /// The instant that is so many nanoseconds after the start.
    pub fn at(self, nanos: u64) -> Instant {
        self.0 + Duration::from_nanos(nanos)
    }
}

/// A span in nanoseconds; beyond 584 years it stays there.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The part of a phase that counts, from its warm-up's end to its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// First nanosecond that counts.
    pub from: u64,
    /// First nanosecond that no longer counts.
    pub until: u64,
}

impl Window {
    /// Whether something that began at `nanos` counts.
    pub fn holds(self, nanos: u64) -> bool {
        (self.from..self.until).contains(&nanos)
    }
}
