//! The closing table, and whether all went well.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::publisher::Published;
use super::receivers::Receiver;
use super::stage;
use crate::failure::{Failure, Result};
use crate::output;
use crate::resources::show::aligned;

/// What the server says at the end.
#[derive(Debug, Clone, Copy)]
pub struct Servers {
    /// Deliveries that still wait; whether there are any.
    pub pending: bool,
    /// Whether any delivery failed for good.
    pub failed: bool,
}

/// Prints the table; refuses if anything was lost, forged or left behind.
pub fn close(
    receivers: &[Arc<Receiver>],
    published: &Published,
    events: u64,
    took: Duration,
    servers: Servers,
) -> Result<()> {
    let accepted = published.accepted.load(Ordering::Relaxed);
    let mut rows = vec![heads()];
    let (mut lost, mut duplicated, mut unverified, mut delivered) = (0, 0, 0, 0);
    for receiver in receivers {
        let owed = stage::owed(receiver, accepted);
        let mut ledger = receiver.ledger();
        ledger.micros.sort_unstable();
        let here = ledger.delivered();
        lost += owed.saturating_sub(here);
        duplicated += ledger.duplicated();
        unverified += ledger.requests - ledger.verified;
        delivered += here;
        rows.push(vec![
            receiver.name.to_owned(),
            receiver.topics.to_owned(),
            owed.to_string(),
            here.to_string(),
            ledger.requests.to_string(),
            ledger.refused.to_string(),
            ledger.retried().to_string(),
            ledger.verified.to_string(),
            milliseconds(percentile(&ledger.micros, 50)),
            milliseconds(percentile(&ledger.micros, 99)),
            owed.saturating_sub(here).to_string(),
            ledger.duplicated().to_string(),
        ]);
    }
    output::line("")?;
    for line in aligned(&rows) {
        output::line(&format!("  {line}"))?;
    }
    let (repeated, recognised) =
        (published.repeated.load(Ordering::Relaxed), published.recognised.load(Ordering::Relaxed));
    output::line(&format!(
        "\n  {accepted} events accepted, {delivered} deliveries made in {:.1} s; lost {lost}, duplicated {duplicated}.\n  \
         {repeated} events were published twice with their idempotency key; {recognised} of them were recognised and not \
         sent again.\n  While `failing` was down its breaker let single attempts through and held the rest back; then it all went \
         out.\n  Times are from publishing to the receiver's first successful answer.",
        took.as_secs_f64(),
    ))?;
    let promised = published.promised.load(Ordering::Relaxed);
    let owed: u64 = receivers.iter().map(|receiver| stage::owed(receiver, accepted)).sum();
    let wrongs = [
        (accepted < events, "not every event was accepted"),
        (promised != owed, "the server promised another number of deliveries than the topics ask for"),
        (lost > 0, "deliveries were lost"),
        (duplicated > 0, "deliveries were made twice without a crash that would explain it"),
        (unverified > 0, "requests came without a valid signature"),
        (recognised < repeated, "a repeated publish was not recognised"),
        (servers.pending, "the server still has deliveries that wait"),
        (servers.failed, "the server gave deliveries up"),
    ];
    match wrongs.iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(Failure::new(format!("the demo went wrong: {what}"))),
        None => Ok(()),
    }
}

fn heads() -> Vec<String> {
    [
        "RECEIVER",
        "WANTS",
        "OWED",
        "DELIVERED",
        "ATTEMPTS",
        "503",
        "RETRIED",
        "VERIFIED",
        "P50 MS",
        "P99 MS",
        "LOST",
        "DUPLICATED",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Of sorted values, the smallest that `percent` of them do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(micros: u64) -> String {
    format!("{:.1}", Duration::from_micros(micros).as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
    }
}
