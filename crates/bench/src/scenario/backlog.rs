//! Does a backlog slow down what is not behind it?
//!
//! Throughput is measured first; then deliveries pile up at an endpoint that is paused, and it is measured again.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Window, nanos};
use crate::error::{BenchError, Result};
use crate::fleet::Fleet;
use crate::generator::{Generator, Span};
use crate::latency::per_second;
use crate::ledger::Ledger;
use crate::pace::Pace;
use crate::phase::{self, Measured};
use crate::progress::Progress;
use crate::stage::Stage;

/// Messages of one request while the backlog is filled.
const BATCH: usize = 100;
/// How long filling it may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Throughput without and with a backlog.
#[derive(Debug, Clone, Serialize)]
pub struct Backlog {
    /// Deliveries that waited.
    pub waiting: u64,
    /// Messages per second while they were piled up.
    pub filled_per_second: f64,
    /// Without them.
    pub without: Measured,
    /// With them.
    pub with: Measured,
    /// Deliveries per second with, over those without.
    pub ratio: f64,
}

/// Measures it.
pub async fn measure(stage: &mut Stage, fleet: &Fleet, waiting: u64) -> Result<Backlog> {
    let load = stage.load(fleet);
    let without = phase::run(stage, "without a backlog", load.clone(), None).await?;
    let (waiting, filled_per_second) = fill(stage, fleet, waiting).await?;
    let with = phase::run(stage, &format!("with {waiting} deliveries waiting"), load, None).await?;
    let ratio = with.deliveries_per_second / without.deliveries_per_second;
    Ok(Backlog { waiting, filled_per_second, without, with, ratio })
}

/// Publishes to an endpoint that is paused, until so many wait.
async fn fill(stage: &mut Stage, fleet: &Fleet, waiting: u64) -> Result<(u64, f64)> {
    let topic = format!("{}-backlog", stage.topic);
    stage.make_topic(fleet, &topic).await?;
    // Nothing is ever sent there, so nothing need listen there.
    let endpoint = stage.make_endpoint(fleet, None, "http://127.0.0.1:9/", &topic).await?;
    fleet.api().pause_endpoint(&endpoint).await?;
    let mut load = stage.load(fleet);
    load.template.topic = topic;
    load.template.batch = BATCH;
    load.pace = Pace::Closed { outstanding: usize::try_from(waiting).unwrap_or(usize::MAX).saturating_mul(2) };
    load.fan_out = 1;
    load.most_messages = waiting.next_multiple_of(BATCH as u64);
    let progress = Progress::begin(&format!("piling up {waiting} deliveries"), Duration::ZERO);
    let ledger = Arc::new(Ledger::default());
    let start = stage.clock.now();
    let window = Window { from: start, until: start + nanos(PATIENCE) };
    let span = Span { start, window, patience: Duration::from_secs(10) };
    Generator::start(load, ledger.clone(), stage.clock, span)?.finish().await?;
    drop(progress);
    let accepted = ledger.accepted();
    if accepted < waiting {
        let detail = format!("only {accepted} of {waiting} messages for the paused endpoint were accepted");
        return Err(BenchError::Answer { path: "/v1/messages/batch".to_owned(), detail });
    }
    Ok((accepted, per_second(accepted, stage.clock.now() - start)))
}
