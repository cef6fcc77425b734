//! Kill -9 under load: what is lost, what comes twice?

use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::fleet::Fleet;
use crate::phase::{self, Measured};
use crate::stage::Stage;

/// Outcomes that a server may hold for its next flush, beside the exchanges that are in flight.
const UNFLUSHED: u64 = 500;
/// Exchanges that a server has in flight to one endpoint at most, unless the endpoint says otherwise.
const WINDOW: u64 = 64;

/// The kills of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Kills {
    /// The load's phase, the outages within it.
    pub measured: Measured,
    /// Exchanges in flight just before each kill, as the server's metrics had it; its bound where it did not answer.
    pub in_flight: Vec<u64>,
    /// How long each server was away, until it was ready again.
    pub outage_seconds: Vec<f64>,
    /// The most deliveries that may come twice: for each kill, those in flight and one flush.
    pub duplicates_bound: u64,
}

/// Runs the load, and kills servers in turn until its end.
pub async fn measure(stage: &Stage, fleet: &mut Fleet, every: Duration) -> Result<Kills> {
    let load = stage.load(fleet);
    let loaded = stage.options.warm_up() + stage.options.measured();
    let apis = fleet.apis().to_vec();
    let most = WINDOW * u64::from(stage.options.fan_out);
    let (mut in_flight, mut outages) = (Vec::new(), Vec::new());
    let killing = async {
        let begun = tokio::time::Instant::now();
        let mut victim = 0;
        while begun.elapsed() + every < loaded {
            tokio::time::sleep(every).await;
            in_flight.push(apis[victim].in_flight().await.unwrap_or(most));
            let killed = tokio::time::Instant::now();
            let server = &mut fleet.servers()[victim];
            server.kill()?;
            server.restart().await?;
            outages.push(killed.elapsed().as_secs_f64());
            victim = (victim + 1) % apis.len();
        }
        Ok(())
    };
    let (measured, killed): (_, Result<()>) = tokio::join!(phase::run(stage, "load under kills", load, None), killing);
    killed?;
    let duplicates_bound = in_flight.iter().map(|count| count + UNFLUSHED).sum();
    Ok(Kills { measured: measured?, in_flight, outage_seconds: outages, duplicates_bound })
}
