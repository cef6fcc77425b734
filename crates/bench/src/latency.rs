//! Latencies in bounded memory, and what is told of them.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::{BenchError, Result};

/// The longest latency that is told apart: an hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// A histogram of microseconds with three significant digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Empty.
    pub fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, 3)
            .map_err(|error| BenchError::Option { option: "latency histogram", detail: error.to_string() })?;
        Ok(Self(histogram))
    }

    /// Notes a latency given in nanoseconds.
    pub fn note(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.div_ceil(1_000).max(1));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// What is told of it; nothing if nothing was noted.
    pub fn summary(&self) -> Option<Summary> {
        if self.0.is_empty() {
            return None;
        }
        let at = |percent| millis(self.0.value_at_percentile(percent));
        Some(Summary {
            count: self.0.len(),
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p99_ms: at(99.0),
            max_ms: millis(self.0.max()),
        })
    }
}

/// Percentiles of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many were noted.
    pub count: u64,
    /// Half took no longer.
    pub p50_ms: f64,
    /// Nine of ten took no longer.
    pub p90_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

#[expect(clippy::cast_precision_loss, reason = "an hour in microseconds is far below 2^52")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// How many there were in a second.
#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub fn per_second(count: u64, nanos: u64) -> f64 {
    if nanos == 0 { 0.0 } else { count as f64 * 1e9 / nanos as f64 }
}

/// A quantity for each of `count`; nothing if there are none.
#[expect(clippy::cast_precision_loss, reason = "a figure for people to read")]
pub fn for_each(quantity: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| quantity / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.summary(), None);
        for milliseconds in 1..=100 {
            latencies.note(milliseconds * 1_000_000);
        }
        let summary = latencies.summary().unwrap();
        let close = |is: f64, should: f64| assert!((is - should).abs() <= should * 0.002, "{is} is not {should}");
        assert_eq!(summary.count, 100);
        close(summary.p50_ms, 50.0);
        close(summary.p90_ms, 90.0);
        close(summary.p99_ms, 99.0);
        close(summary.max_ms, 100.0);
    }

    #[test]
    fn what_is_too_long_is_noted_as_the_longest_instead_of_lost() {
        let mut latencies = Latencies::new().unwrap();
        latencies.note(u64::MAX);
        assert_eq!(latencies.summary().unwrap().count, 1);
    }

    #[test]
    fn rates_of_nothing_are_zero_or_absent() {
        assert!((per_second(500, 500_000_000) - 1_000.0).abs() < f64::EPSILON);
        assert!(per_second(5, 0).abs() < f64::EPSILON);
        assert_eq!(for_each(1.0, 0), None);
        assert_eq!(for_each(1.0, 4), Some(0.25));
    }
}
