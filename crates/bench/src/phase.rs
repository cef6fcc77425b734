//! One phase of load: warm up, measure, wait for what is still on its way.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Window, nanos};
use crate::error::Result;
use crate::generator::{Generator, Load, Span};
use crate::latency::{Summary, per_second};
use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::receiver;
use crate::stage::Stage;

/// How long after its window a phase waits for requests that are not answered yet.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a phase measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Messages accepted per second, within the window.
    pub accepted_per_second: f64,
    /// Deliveries that came per second, within the window.
    pub deliveries_per_second: f64,
    /// From the moment before the request was written (open loop: when it was due) to its 202.
    pub accept: Option<Summary>,
    /// From the same moment to the delivery's arrival.
    pub receive: Option<Summary>,
    /// From the 202 to the delivery's arrival; a delivery that overtook its 202 took no time.
    pub receive_after_accept: Option<Summary>,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages whose request was never answered.
    pub unanswered: u64,
    /// Requests that were repeated.
    pub repeated: u64,
}

/// Another stream of messages beside the measured one; its deliveries are nobody's business.
#[derive(Debug)]
pub struct Aside {
    /// What it publishes.
    pub load: Load,
    /// What its publishers know.
    pub ledger: Arc<Ledger>,
}

/// Runs a phase.
pub async fn run(stage: &Stage, name: &str, load: Load, aside: Option<Aside>) -> Result<Measured> {
    let options = &stage.options;
    let start = stage.clock.now() + nanos(Duration::from_millis(10));
    let from = start + nanos(options.warm_up());
    let window = Window { from, until: from + nanos(options.measured()) };
    let patience = if load.persistent { options.drain() } else { PATIENCE };
    let span = Span { start, window, patience };
    receiver::lock(&stage.arrivals).observe(window);
    let progress = Progress::begin(name, options.warm_up() + options.measured());
    let measured = Generator::start(load, stage.ledger.clone(), stage.clock, span)?;
    let beside = match aside {
        Some(aside) => Some(Generator::start(aside.load, aside.ledger, stage.clock, span)?),
        None => None,
    };
    let before = sample(stage, window.from).await;
    let after = sample(stage, window.until).await;
    let published = measured.finish().await?;
    if let Some(beside) = beside {
        beside.finish().await?;
    }
    progress.waiting();
    stage.drain().await;
    let (receive, receive_after_accept) = receiver::lock(&stage.arrivals).latencies();
    let took = after.at - before.at;
    Ok(Measured {
        accepted_per_second: per_second(after.accepted - before.accepted, took),
        deliveries_per_second: per_second(after.delivered - before.delivered, took),
        accept: published.accept,
        receive,
        receive_after_accept,
        refused: published.refused,
        unanswered: published.unanswered,
        repeated: published.repeated,
    })
}

/// The counts at one moment.
struct Sample {
    at: u64,
    accepted: u64,
    delivered: u64,
}

async fn sample(stage: &Stage, at: u64) -> Sample {
    tokio::time::sleep_until(tokio::time::Instant::from_std(stage.clock.at(at))).await;
    Sample { at: stage.clock.now(), accepted: stage.ledger.accepted(), delivered: stage.ledger.delivered() }
}
