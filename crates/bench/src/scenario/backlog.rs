//! Does a backlog slow down what is not behind it?
//!
//! Throughput is measured first; then deliveries pile up at an endpoint that is paused, and it is measured again.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Window, nanos};
use crate::error::{BenchError, Result};
use crate::fleet::Fleet;
use crate::generator::{Generator, Span, Way};
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

/// Makes so many deliveries wait at an endpoint.
async fn fill(stage: &mut Stage, fleet: &Fleet, waiting: u64) -> Result<(u64, f64)> {
    let (topic, begun) = (stage.topic_beside("backlog"), stage.clock.now());
    pile_up(stage, fleet, &topic, waiting).await?;
    let waiting = waiting.next_multiple_of(BATCH as u64);
    Ok((waiting, per_second(waiting, stage.clock.now() - begun)))
}

/// Publishes to an endpoint that is paused, until so many wait; answers its id.
pub async fn pile_up(stage: &mut Stage, fleet: &Fleet, topic: &str, waiting: u64) -> Result<String> {
    stage.make_topic(fleet, topic).await?;
    // Nothing is ever sent there, so nothing need listen there.
    let endpoint = stage.make_endpoint(fleet, None, "http://127.0.0.1:9/", topic).await?;
    fleet.api().pause_endpoint(&endpoint).await?;
    publish_all(stage, fleet, topic, None, waiting).await?;
    Ok(endpoint)
}

/// Publishes so many messages (a whole number of batches) as fast as it goes. Only those of the stage's own topic are
/// expected to arrive.
pub async fn publish_all(stage: &Stage, fleet: &Fleet, topic: &str, tenant: Option<&str>, count: u64) -> Result<()> {
    let mut load = stage.load(fleet);
    let expected = topic == stage.topic;
    topic.clone_into(&mut load.template.topic);
    load.template.tenant = tenant.map(str::to_owned);
    load.way = Way::Requests;
    load.template.batch = BATCH;
    load.most_messages = count.next_multiple_of(BATCH as u64);
    if !expected {
        load.pace = Pace::Closed { outstanding: usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(2) };
        load.fan_out = 1;
    }
    let progress = Progress::begin(&format!("publishing {count} messages"), Duration::ZERO);
    let ledger = if expected { stage.ledger.clone() } else { Arc::new(Ledger::default()) };
    let start = stage.clock.now();
    let window = Window { from: start, until: start + nanos(PATIENCE) };
    let span = Span { start, window, patience: Duration::from_secs(10) };
    Generator::start(load, ledger.clone(), stage.clock, span)?.finish().await?;
    drop(progress);
    let accepted = ledger.accepted();
    if accepted < count {
        let detail = format!("only {accepted} of {count} messages of {topic} were accepted");
        return Err(BenchError::Answer { path: "/v1/messages/batch".to_owned(), detail });
    }
    Ok(())
}
