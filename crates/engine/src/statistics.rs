//! How an endpoint has been doing.

use std::time::Duration;

use posthaste_core::{Scope, Span, Timestamp};
use posthaste_store::history::EndpointActivity;

use crate::Engine;
use crate::caller::Caller;
use crate::error::Result;

/// How far back the numbers look by default.
const DAY: Duration = Duration::from_secs(86_400);

/// An endpoint's last hours in numbers, from a bounded number of its newest attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointStats {
    /// How far back it looks.
    pub window: Duration,
    /// Deliveries that succeeded.
    pub succeeded: u64,
    /// Deliveries that ended failed.
    pub failed: u64,
    /// Deliveries that wait now.
    pub pending: u64,
    /// When the longest waiting delivery's message was accepted.
    pub oldest_pending_at: Option<Timestamp>,
    /// Exchanges, successful or not.
    pub attempts: u64,
    /// The part of the exchanges that succeeded; `None` if there were none.
    pub success_rate: Option<f64>,
    /// How long successful exchanges took; `None` if there were none.
    pub duration: Option<Percentiles>,
    /// The newest failed exchange's error.
    pub last_error: Option<String>,
}

/// Durations that 50, 90 and 99 of a hundred exchanges did not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them.
    pub p50: Duration,
    /// Nine of ten.
    pub p90: Duration,
    /// Ninety-nine of a hundred.
    pub p99: Duration,
}

impl EndpointStats {
    fn new(window: Duration, activity: EndpointActivity) -> Self {
        let succeeded = u64::try_from(activity.success_micros.len()).unwrap_or(u64::MAX);
        let attempts = succeeded.saturating_add(activity.failed_attempts);
        #[expect(clippy::cast_precision_loss, reason = "a share of at most some ten thousand attempts")]
        let success_rate = (attempts > 0).then(|| succeeded as f64 / attempts as f64);
        Self {
            window,
            succeeded,
            failed: activity.failed_deliveries,
            pending: activity.pending,
            oldest_pending_at: activity.oldest_pending_at,
            attempts,
            success_rate,
            duration: Percentiles::of(activity.success_micros),
            last_error: activity.last_error,
        }
    }
}

impl Percentiles {
    /// By the nearest rank: each is a duration that was measured.
    fn of(mut micros: Vec<u64>) -> Option<Self> {
        micros.sort_unstable();
        let at = |percent: usize| {
            let rank = (micros.len() * percent).div_ceil(100);
            micros.get(rank.saturating_sub(1)).copied().map(Duration::from_micros)
        };
        Some(Self { p50: at(50)?, p90: at(90)?, p99: at(99)? })
    }
}

impl Engine {
    /// How an endpoint did within a window before now, a day by default.
    pub async fn endpoint_stats(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        window: Option<Span>,
    ) -> Result<EndpointStats> {
        caller.require(Scope::Read)?;
        let window = window.map_or(DAY, Span::duration);
        let endpoint = self.find_endpoint(caller, tenant, id).await?;
        let since = self.0.clock.now() - window;
        Ok(EndpointStats::new(window, self.0.store.endpoint_activity(endpoint.id, since).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_were_measured() {
        assert_eq!(Percentiles::of(Vec::new()), None);
        let one = Percentiles::of(vec![7]).unwrap();
        assert_eq!((one.p50, one.p99), (Duration::from_micros(7), Duration::from_micros(7)));
        let hundred = Percentiles::of((1..=100).rev().collect()).unwrap();
        let micros = [hundred.p50, hundred.p90, hundred.p99].map(|duration| duration.as_micros());
        assert_eq!(micros, [50, 90, 99]);
    }

    #[test]
    fn an_endpoint_that_did_nothing_has_no_rate() {
        let idle = EndpointStats::new(Duration::from_secs(60), EndpointActivity::default());
        assert_eq!((idle.attempts, idle.success_rate), (0, None));
        let activity =
            EndpointActivity { success_micros: vec![5, 5, 5], failed_attempts: 1, ..EndpointActivity::default() };
        assert_eq!(EndpointStats::new(Duration::from_secs(60), activity).success_rate, Some(0.75));
    }
}
