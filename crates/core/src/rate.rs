//! Rate limits: a token bucket per endpoint, held by the one node that sends to it.
//!
//! The exact guarantee: in any window of `s` seconds, ends included, at most `burst + per_second · s` sends are let
//! through, by the clock that is passed in; so never more than `burst + per_second` within one second. It holds at the
//! moments at which [`Bucket::take`] says yes. On the way to the receiver two sends can come closer together, or part.
//!
//! A bucket begins empty. So the guarantee also holds across a change of owner: what the former one sent and what the
//! new one sends add up to no more than one bucket gives. The price is that the first send of a new owner waits for its
//! token, `1 / per_second`. A changed limit is a new bucket, for the same reason.
//!
//! Inside, the bucket is one instant (the generic cell rate algorithm), in whole nanoseconds rounded against the sender:
//! there is no fraction whose errors could add up over a year.

use crate::endpoint::RateLimit;
use crate::time::Timestamp;

/// The slowest rate: a send in about 28 hours.
pub const MIN_PER_SECOND: f64 = 0.000_01;

/// The fastest rate. More is no limit.
pub const MAX_PER_SECOND: f64 = 1_000_000.0;

/// The largest burst.
pub const MAX_BURST: u32 = 1_000_000;

impl RateLimit {
    /// Whether the numbers make sense; the error names the member of the JSON object.
    pub fn validate(&self) -> Result<(), InvalidRate> {
        // The range also refuses NaN, which a comparison with `<` would let through.
        if !(MIN_PER_SECOND..=MAX_PER_SECOND).contains(&self.per_second) {
            let detail = "out of range: give a number from 0.00001 to 1000000, or null for no limit at all";
            return Err(InvalidRate { field: "per_second", detail });
        }
        if !(1..=MAX_BURST).contains(&self.burst) {
            return Err(InvalidRate { field: "burst", detail: "out of range: give a number from 1 to 1000000" });
        }
        Ok(())
    }
}

/// Why a rate limit is refused: `{field}: {detail}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct InvalidRate {
    /// The member of the limit.
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub detail: &'static str,
}

/// An endpoint's tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    limit: RateLimit,
    /// How long one token takes to come, in nanoseconds.
    interval: i128,
    /// How much later than its token a send may come without losing it, beyond the burst; in nanoseconds.
    late: i128,
    /// When it will be full again if nothing is taken, in nanoseconds since 1970.
    full_at: i128,
}

/// How late a sender may be in [`Bucket::unhurried`], in nanoseconds.
const LATE: i128 = 20_000_000;

impl Bucket {
    /// An empty bucket: the first token is there after `1 / per_second`.
    pub fn empty(limit: RateLimit, now: Timestamp) -> Self {
        let rate = if limit.per_second.is_finite() { limit.per_second } else { MIN_PER_SECOND };
        #[expect(clippy::cast_possible_truncation, reason = "from 1,000 to 10¹⁴ by the clamp")]
        let interval = (1e9 / rate.clamp(MIN_PER_SECOND, MAX_PER_SECOND)).ceil() as i128;
        let mut bucket = Self { limit, interval, late: 0, full_at: 0 };
        bucket.full_at = nanoseconds(now) + bucket.capacity();
        bucket
    }

    /// An empty bucket for a sender that comes some milliseconds after it was told, as timers do: with a burst of one each
    /// of them would be lost. It keeps a token for 20 milliseconds longer, and gives them by a fiftieth more slowly, so
    /// that a second still sees no more than `burst + per_second`. A shorter time may see a fiftieth of `per_second` more
    /// than by the bucket without that.
    pub fn unhurried(limit: RateLimit, now: Timestamp) -> Self {
        let mut bucket = Self::empty(limit, now);
        bucket.interval += (bucket.interval * LATE).div_euclid(1_000_000_000) + 1;
        bucket.late = LATE;
        bucket.full_at = nanoseconds(now) + bucket.capacity();
        bucket
    }

    /// The limit that it holds.
    pub const fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes a token, or says when the next one will be there, if nobody else takes it.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let ready = self.full_at - self.capacity() + self.interval;
        let now = nanoseconds(now);
        if now < ready {
            // Rounded up: whoever comes back at that instant finds the token.
            let micros = (ready + 999).div_euclid(1_000);
            return Err(Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)).min(Timestamp::FAR_FUTURE));
        }
        self.full_at = self.full_at.max(now) + self.interval;
        Ok(())
    }

    /// How long an empty bucket takes to become full.
    fn capacity(&self) -> i128 {
        self.interval * i128::from(self.limit.burst.max(1)) + self.late
    }
}

fn nanoseconds(at: Timestamp) -> i128 {
    i128::from(at.as_micros()) * 1_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn limit(per_second: f64, burst: u32) -> RateLimit {
        RateLimit { per_second, burst }
    }

    fn after(millis: u64) -> Timestamp {
        START + Duration::from_millis(millis)
    }

    #[test]
    fn a_new_bucket_is_empty_and_fills_up_to_its_burst() {
        let mut bucket = Bucket::empty(limit(10.0, 3), START);
        assert_eq!(bucket.take(START), Err(after(100)));
        assert_eq!(bucket.take(after(99)), Err(after(100)));
        assert_eq!(bucket.take(after(100)), Ok(()));
        assert_eq!(bucket.take(after(100)), Err(after(200)));
        // After a long rest there is a burst, and no more.
        for _ in 0..3 {
            assert_eq!(bucket.take(after(10_000)), Ok(()));
        }
        assert_eq!(bucket.take(after(10_000)), Err(after(10_100)));
    }

    #[test]
    fn rates_below_one_and_odd_ones_work() {
        let mut slow = Bucket::empty(limit(0.1, 1), START);
        assert_eq!(slow.take(START), Err(after(10_000)));
        assert_eq!(slow.take(after(10_000)), Ok(()));
        assert_eq!(slow.take(after(19_999)), Err(after(20_000)));
        let mut third = Bucket::empty(limit(3.0, 1), START);
        assert_eq!(third.take(START), Err(START + Duration::from_micros(333_334)));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = Bucket::empty(limit(1.0, 1), START);
        assert_eq!(bucket.take(after(1_000)), Ok(()));
        assert_eq!(bucket.take(START), Err(after(2_000)));
        assert_eq!(bucket.take(after(2_000)), Ok(()));
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_field() {
        assert_eq!(limit(1.0, 1).validate(), Ok(()));
        for (per_second, burst, field) in [
            (0.0, 1, "per_second"),
            (-1.0, 1, "per_second"),
            (f64::NAN, 1, "per_second"),
            (f64::INFINITY, 1, "per_second"),
            (1e7, 1, "per_second"),
            (1.0, 0, "burst"),
            (1.0, 1_000_001, "burst"),
        ] {
            assert_eq!(limit(per_second, burst).validate().unwrap_err().field, field, "{per_second} {burst}");
        }
    }

    /// The most sends in any window of that length, ends included.
    fn most_in_a_window(sends: &[Timestamp], window: Duration) -> usize {
        let within = |first: &Timestamp| sends.iter().filter(|at| *at >= first && **at <= *first + window).count();
        sends.iter().map(within).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_second_sees_more_than_burst_and_rate_even_across_owners(
            per_second in 0.5f64..50.0, burst in 1u32..20,
            steps in proptest::collection::vec(0u64..400_000, 1..200), handover in 0usize..200, unhurried in any::<bool>(),
        ) {
            let limit = limit(per_second, burst);
            let empty = if unhurried { Bucket::unhurried } else { Bucket::empty };
            // The first owner is well rested: its bucket is full.
            let mut bucket = empty(limit, START - Duration::from_hours(1));
            let (mut now, mut sends) = (START, Vec::new());
            for (index, step) in steps.into_iter().enumerate() {
                if index == handover {
                    bucket = empty(limit, now);
                }
                now = now + Duration::from_micros(step);
                while bucket.take(now).is_ok() {
                    sends.push(now);
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
            let most = most_in_a_window(&sends, Duration::from_secs(1)) as f64;
            prop_assert!(most <= f64::from(burst) + per_second, "{} > {} + {}", most, burst, per_second);
        }

        #[test]
        fn whoever_comes_when_told_gets_the_full_rate(per_second in 0.5f64..1_000.0, burst in 1u32..20) {
            let mut bucket = Bucket::empty(limit(per_second, burst), START);
            let (mut now, mut sends) = (START, 0u32);
            while now < after(20_000) {
                match bucket.take(now) {
                    Ok(()) => sends += 1,
                    Err(ready) => {
                        prop_assert!(ready > now);
                        now = ready;
                    }
                }
            }
            let due = per_second * 20.0;
            prop_assert!((f64::from(sends) - due).abs() <= 1.0 + due * 0.001, "{} of {}", sends, due);
        }

        #[test]
        fn no_limit_however_broken_makes_it_panic(per_second in any::<f64>(), burst in any::<u32>(), now in any::<i64>()) {
            let mut bucket = Bucket::empty(limit(per_second, burst), Timestamp::from_micros(now));
            let _ = bucket.take(Timestamp::from_micros(now));
        }
    }
}
