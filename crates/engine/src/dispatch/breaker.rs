//! The breaker of one endpoint: after failures in a row it stops attempts for a while, then lets one through.
//!
//! Pure: time is an argument. It protects the endpoint from a herd of retries, and this node from holding a window's
//! worth of exchanges open on something that does not answer. It costs a delivery no attempt: what waits, waits.

use std::time::Duration;

use posthaste_core::Timestamp;

/// Failures in a row that open it.
pub const THRESHOLD: u32 = 10;
/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// As many as the endpoint's window holds.
    All,
    /// One, whose outcome decides.
    One,
    /// None before this instant.
    None(Timestamp),
}

/// Failures in a row, and the pause they led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    pauses: u32,
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// What may be sent at `now`.
    pub fn permit(&self, now: Timestamp) -> Permit {
        match self.open_until {
            None => Permit::All,
            Some(until) if until > now => Permit::None(until),
            Some(_) => Permit::One,
        }
    }

    /// An attempt succeeded: closed.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// An attempt failed. `Some` if that opened the breaker (again), until then.
    pub fn failed(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < THRESHOLD || matches!(self.permit(now), Permit::None(_)) {
            // Stragglers of the window that opened it do not lengthen the pause.
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(10)).min(LONGEST_PAUSE);
        self.pauses = self.pauses.saturating_add(1);
        let until = now + pause;
        self.open_until = Some(until);
        Some(until)
    }

    /// Whether nothing is remembered.
    pub fn is_closed(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 1..THRESHOLD {
            assert_eq!(breaker.failed(at(100)), None);
        }
        assert_eq!(breaker.failed(at(100)), Some(at(102)));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_through_after_the_pause() {
        let breaker = opened();
        assert_eq!(breaker.permit(at(101)), Permit::None(at(102)));
        assert_eq!(breaker.permit(at(102)), Permit::One);
    }

    #[test]
    fn stragglers_do_not_lengthen_the_pause_and_a_failed_probe_doubles_it() {
        let mut breaker = opened();
        assert_eq!(breaker.failed(at(101)), None);
        assert_eq!(breaker.failed(at(103)), Some(at(107)));
        for probe in 0..20 {
            let now = at(1_000 + probe * 100);
            assert!(breaker.failed(now).unwrap() <= now + LONGEST_PAUSE);
        }
    }

    #[test]
    fn one_success_closes_it() {
        let mut breaker = opened();
        breaker.succeeded();
        assert!(breaker.is_closed());
        assert_eq!(breaker.permit(at(101)), Permit::All);
    }
}
