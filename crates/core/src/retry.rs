//! When to try again, and whether an answer was a success. Decisions only: the clock and the dice are arguments.

mod after;
mod end;
mod judge;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Span;

pub use after::parse_retry_after;
pub use end::{End, Ending};
pub use judge::{Verdict, judge};

/// The most attempts of an exponential policy whose endpoint sets no limit of its own. A schedule has a natural end;
/// doubling has none, and with the default bounds ten attempts span about 43 minutes.
pub const EXPONENTIAL_ATTEMPTS: u32 = 10;

/// The longest that a `Retry-After` is believed. A receiver cannot push a delivery beyond its own retention.
pub const RETRY_AFTER_CAP: Duration = Duration::from_hours(24);

/// The most entries of a schedule.
pub const MAX_SCHEDULE_ENTRIES: usize = 1_000;

/// An endpoint's retry policy: a list of delays, or exponential backoff where the list is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// The delay before each further attempt; wins over the backoff. A short one repeats its last delay.
    pub schedule_seconds: Option<Vec<Span>>,
    /// The first delay of the backoff.
    pub min_backoff_seconds: Span,
    /// The longest delay of the backoff.
    pub max_backoff_seconds: Span,
    /// By how much each delay of the backoff is longer than the one before, 1 to 100.
    pub factor: f64,
    /// Which part of a delay is left to chance, 0 to 1: a delay `d` is drawn from `[d·(1−jitter), d]`.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    /// Eight attempts over about 27 hours: the middle of what Standard Webhooks recommends.
    fn default() -> Self {
        Self {
            schedule_seconds: Some([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000].map(Span::from_secs).to_vec()),
            min_backoff_seconds: Span::from_secs(5),
            max_backoff_seconds: Span::from_secs(36_000),
            factor: 2.0,
            jitter: 0.2,
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt, this long from now.
    Retry {
        /// How long from now.
        after: Duration,
    },
    /// No further attempt: the delivery is a dead letter.
    Exhausted,
    /// The retry would not come before the delivery's end: no further attempt, and at that instant it ends.
    End(End),
}

impl RetryPolicy {
    /// Whether the numbers make sense together; the error names the member of the JSON object.
    pub fn validate(&self) -> Result<(), InvalidRetry> {
        let refuse = |field, detail| Err(InvalidRetry { field, detail });
        match &self.schedule_seconds {
            Some(schedule) if schedule.is_empty() => {
                return refuse("schedule_seconds", "an empty schedule: give 1 to 1000 delays, or null for backoff");
            }
            Some(schedule) if schedule.len() > MAX_SCHEDULE_ENTRIES => {
                return refuse("schedule_seconds", "too many delays: give at most 1000; the last one is repeated");
            }
            _ => {}
        }
        // Both ranges also refuse NaN, which every comparison with `<` would let through.
        if !(1.0..=100.0).contains(&self.factor) {
            return refuse("factor", "out of range: give a number from 1 to 100");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return refuse("jitter", "out of range: give a number from 0 to 1");
        }
        if self.min_backoff_seconds > self.max_backoff_seconds {
            return refuse("min_backoff_seconds", "longer than max_backoff_seconds: make it shorter or raise that");
        }
        Ok(())
    }

    /// How long to wait after the `failures`-th failure (from 1) of the present schedule, with `draw` from `[0, 1)`.
    pub fn delay(&self, failures: u32, draw: f64) -> Duration {
        let whole = self.undrawn(failures.saturating_sub(1));
        let share = self.jitter * draw;
        // Out-of-range numbers of a policy that nobody validated must not panic in the arithmetic below.
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        whole.saturating_sub(whole.mul_f64(share))
    }

    /// The delay before jitter; `step` counts from 0.
    fn undrawn(&self, step: u32) -> Duration {
        if let Some(schedule) = self.schedule_seconds.as_deref() {
            let index = usize::try_from(step).unwrap_or(usize::MAX);
            if let Some(delay) = schedule.get(index).or(schedule.last()) {
                return delay.duration();
            }
        }
        let (min, max) = (self.min_backoff_seconds.duration(), self.max_backoff_seconds.duration());
        if min.is_zero() {
            // Zero times infinity is no number; zero times anything else is zero.
            return min;
        }
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        let seconds = min.as_secs_f64() * self.factor.powi(exponent);
        // What is too large for a Duration is certainly above the maximum.
        Duration::try_from_secs_f64(seconds).unwrap_or(max).max(min).min(max)
    }

    /// The most attempts of one schedule: the endpoint's own number, else the schedule's length + 1, else
    /// [`EXPONENTIAL_ATTEMPTS`].
    pub fn attempts_allowed(&self, max_attempts: Option<u32>) -> u32 {
        max_attempts.unwrap_or_else(|| match self.schedule_seconds.as_deref() {
            Some(schedule) if !schedule.is_empty() => {
                u32::try_from(schedule.len()).unwrap_or(u32::MAX).saturating_add(1)
            }
            _ => EXPONENTIAL_ATTEMPTS,
        })
    }

    /// What follows the `failures`-th failure (from 1) of the present schedule.
    ///
    /// `retry_after` is the receiver's wish, or `None` where the endpoint ignores it; it only ever delays further, by
    /// at most [`RETRY_AFTER_CAP`].
    pub fn decide(
        &self,
        max_attempts: Option<u32>,
        failures: u32,
        retry_after: Option<Duration>,
        draw: f64,
    ) -> Decision {
        if failures >= self.attempts_allowed(max_attempts) {
            return Decision::Exhausted;
        }
        let wished = retry_after.unwrap_or_default().min(RETRY_AFTER_CAP);
        Decision::Retry { after: self.delay(failures, draw).max(wished) }
    }
}

/// Why a retry policy is refused: `{field}: {detail}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct InvalidRetry {
    /// The member of the policy.
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub detail: &'static str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(list: &[u32]) -> Vec<Span> {
        list.iter().copied().map(Span::from_secs).collect()
    }

    fn backoff(min: u32, max: u32, factor: f64, jitter: f64) -> RetryPolicy {
        RetryPolicy {
            schedule_seconds: None,
            min_backoff_seconds: Span::from_secs(min),
            max_backoff_seconds: Span::from_secs(max),
            factor,
            jitter,
        }
    }

    #[test]
    fn the_default_is_eight_attempts_over_more_than_a_day() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.validate(), Ok(()));
        assert_eq!(policy.attempts_allowed(None), 8);
        let longest: Duration = (1..8).map(|failures| policy.delay(failures, 0.0)).sum();
        assert_eq!(longest, Duration::from_secs(99_305));
        assert_eq!(policy.decide(None, 8, None, 0.0), Decision::Exhausted);
    }

    #[test]
    fn json_fills_what_is_left_out_and_refuses_what_it_does_not_know() {
        assert_eq!(serde_json::from_str::<RetryPolicy>("{}").unwrap(), RetryPolicy::default());
        let policy: RetryPolicy = serde_json::from_str(r#"{"schedule_seconds":null,"factor":3}"#).unwrap();
        assert_eq!(policy, backoff(5, 36_000, 3.0, 0.2));
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"shedule_seconds":[1]}"#).is_err());
        let text = serde_json::to_string(&RetryPolicy::default()).unwrap();
        assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), RetryPolicy::default());
    }

    #[test]
    fn a_short_schedule_repeats_its_last_delay() {
        let policy = RetryPolicy { schedule_seconds: Some(seconds(&[1, 10])), jitter: 0.0, ..RetryPolicy::default() };
        for (failures, expected) in [(0, 1), (1, 1), (2, 10), (3, 10), (u32::MAX, 10)] {
            assert_eq!(policy.delay(failures, 0.5), Duration::from_secs(expected), "after {failures}");
        }
        assert_eq!(policy.attempts_allowed(None), 3);
        assert_eq!(policy.decide(Some(100), 99, None, 0.5), Decision::Retry { after: Duration::from_secs(10) });
        assert_eq!(policy.decide(Some(100), 100, None, 0.5), Decision::Exhausted);
        assert_eq!(policy.decide(Some(1), 1, None, 0.5), Decision::Exhausted);
    }

    #[test]
    fn backoff_begins_at_its_minimum_and_stops_growing_at_its_maximum() {
        let policy = backoff(5, 60, 2.0, 0.0);
        for (failures, expected) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (5_000, 60), (u32::MAX, 60)] {
            assert_eq!(policy.delay(failures, 0.9), Duration::from_secs(expected), "after {failures}");
        }
        assert_eq!(backoff(0, 60, 100.0, 0.0).delay(u32::MAX, 0.0), Duration::ZERO);
        assert_eq!(policy.attempts_allowed(None), EXPONENTIAL_ATTEMPTS);
        assert_eq!(policy.decide(None, 10, None, 0.0), Decision::Exhausted);
    }

    #[test]
    fn retry_after_delays_further_but_never_less_and_never_beyond_a_day() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        for (wished, expected) in [(0, 5), (3, 5), (60, 60), (86_400, 86_400), (86_401, 86_400), (u64::MAX, 86_400)] {
            let decision = policy.decide(None, 1, Some(Duration::from_secs(wished)), 0.0);
            assert_eq!(decision, Decision::Retry { after: Duration::from_secs(expected) }, "{wished}");
        }
        // A schedule may be slower than the cap; the wish does not bring it forward.
        let slow = RetryPolicy { schedule_seconds: Some(seconds(&[200_000])), jitter: 0.0, ..RetryPolicy::default() };
        let decision = slow.decide(None, 1, Some(Duration::from_secs(u64::MAX)), 0.0);
        assert_eq!(decision, Decision::Retry { after: Duration::from_secs(200_000) });
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_field() {
        let good = RetryPolicy::default();
        let with = |change: fn(&mut RetryPolicy)| {
            let mut policy = good.clone();
            change(&mut policy);
            policy.validate().map_err(|error| error.field)
        };
        assert_eq!(with(|policy| policy.schedule_seconds = Some(Vec::new())), Err("schedule_seconds"));
        assert_eq!(with(|policy| policy.schedule_seconds = Some(seconds(&[1; 1_000]))), Ok(()));
        assert_eq!(with(|policy| policy.schedule_seconds = Some(seconds(&[1; 1_001]))), Err("schedule_seconds"));
        assert_eq!(with(|policy| policy.factor = 0.9), Err("factor"));
        assert_eq!(with(|policy| policy.factor = 100.1), Err("factor"));
        assert_eq!(with(|policy| policy.factor = f64::NAN), Err("factor"));
        assert_eq!(with(|policy| policy.jitter = -0.1), Err("jitter"));
        assert_eq!(with(|policy| policy.jitter = 1.1), Err("jitter"));
        assert_eq!(with(|policy| policy.jitter = f64::NAN), Err("jitter"));
        assert_eq!(with(|policy| policy.max_backoff_seconds = Span::from_secs(1)), Err("min_backoff_seconds"));
        assert_eq!(with(|policy| policy.max_backoff_seconds = policy.min_backoff_seconds), Ok(()));
    }

    proptest! {
        #[test]
        fn a_delay_lies_between_its_jittered_and_its_whole_length(
            min in 0u32..100_000, more in 0u32..1_000_000, factor in 1.0f64..=100.0, jitter in 0.0f64..=1.0,
            failures in 1u32.., draw in 0.0f64..1.0,
        ) {
            let policy = backoff(min, min + more, factor, jitter);
            prop_assert_eq!(policy.validate(), Ok(()));
            let whole = policy.delay(failures, 0.0);
            let drawn = policy.delay(failures, draw);
            prop_assert!(whole >= Duration::from_secs(min.into()) && whole <= Duration::from_secs((min + more).into()));
            prop_assert!(drawn <= whole);
            // A microsecond of slack for the rounding of the product.
            prop_assert!(drawn + Duration::from_micros(1) >= whole.mul_f64(1.0 - jitter));
        }

        #[test]
        fn longer_failing_never_means_a_shorter_wait(
            failures in 1u32..10_000, min in 0u32..1_000, factor in 1.0f64..=100.0, draw in 0.0f64..1.0,
        ) {
            let policy = backoff(min, 100_000, factor, 0.5);
            prop_assert!(policy.delay(failures, draw) <= policy.delay(failures + 1, draw));
        }

        #[test]
        fn no_policy_however_broken_makes_the_decision_panic(
            factor in any::<f64>(), jitter in any::<f64>(), draw in any::<f64>(), failures in any::<u32>(),
            min in any::<u32>(), max in any::<u32>(),
            list in proptest::option::of(proptest::collection::vec(any::<u32>(), 0..3)),
        ) {
            let mut policy = backoff(min, max, factor, jitter);
            policy.schedule_seconds = list.as_deref().map(seconds);
            policy.decide(None, failures, Some(Duration::MAX), draw);
        }
    }
}
