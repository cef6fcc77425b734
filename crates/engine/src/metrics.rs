//! What is counted, and its Prometheus text.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use posthaste_core::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The engine's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Messages committed.
    pub accepted: Counter,
    attempts: [Counter; Outcome::ALL.len()],
    duration: Histogram,
    flush_size: Histogram,
    /// Flushes that had to be repeated.
    pub record_failures: Counter,
    /// Nodes taken over by this one.
    pub take_overs: Counter,
    /// Places where something was that should not be; anything above 0 is a defect.
    pub broken_invariants: Counter,
    in_flight: Gauge,
    memory: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("posthaste");
        let outcomes = Family::<OutcomeLabel, Counter<u64, AtomicU64>>::default();
        // The labels are few and fixed: looked up once, so that an attempt costs one addition.
        let attempts =
            Outcome::ALL.map(|outcome| outcomes.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).clone());
        let metrics = Self {
            accepted: Counter::default(),
            attempts,
            duration: Histogram::new(exponential_buckets(0.000_5, 2.0, 17)),
            flush_size: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            record_failures: Counter::default(),
            take_overs: Counter::default(),
            broken_invariants: Counter::default(),
            in_flight: Gauge::default(),
            memory: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("messages_accepted", "Messages committed", metrics.accepted.clone());
        registry.register("attempts", "Attempts by outcome", outcomes);
        registry.register_with_unit(
            "attempt_duration",
            "Time of one exchange",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register("flush_outcomes", "Outcomes written together", metrics.flush_size.clone());
        registry.register("record_failures", "Flushes that had to be repeated", metrics.record_failures.clone());
        registry.register("take_overs", "Nodes taken over by this one", metrics.take_overs.clone());
        registry.register("broken_invariants", "Defects noticed", metrics.broken_invariants.clone());
        registry.register("in_flight", "Exchanges in flight", metrics.in_flight.clone());
        registry.register_with_unit("memory_jobs", "Weight of the jobs in memory", Unit::Bytes, metrics.memory.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// One exchange ended.
    pub fn attempt(&self, outcome: Outcome, duration: Duration) {
        if let Some(counter) = usize::try_from(outcome.code()).ok().and_then(|code| self.attempts.get(code)) {
            counter.inc();
        }
        self.duration.observe(duration.as_secs_f64());
    }

    /// One flush was written.
    pub fn flushed(&self, outcomes: usize) {
        self.flush_size.observe(f64::from(u32::try_from(outcomes).unwrap_or(u32::MAX)));
    }

    /// The Prometheus text, with the load as it is now.
    pub fn render(&self, in_flight: usize, memory_bytes: usize) -> String {
        self.in_flight.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
        self.memory.set(i64::try_from(memory_bytes).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
