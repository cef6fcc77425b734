//! Does an endpoint that never answers slow its neighbours down?
//!
//! The neighbours get half of the rate, first alone; then another tenant's endpoint, which accepts connections and never
//! says a word, gets the other half beside them.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::error::Result;
use crate::fleet::Fleet;
use crate::latency::Summary;
use crate::ledger::Ledger;
use crate::phase::{self, Aside, Measured};
use crate::receiver::{Manner, Receiver};
use crate::stage::Stage;

/// The rate if none is given: the question is what happens to latencies well below saturation.
pub const RATE: f64 = 2_000.0;
/// The other tenant.
const TENANT: &str = "bench-black-hole";

/// The neighbours' phases, and what the hole made of them.
#[derive(Debug, Clone, Serialize)]
pub struct BlackHole {
    /// Messages a second to the neighbours, and as many to the hole.
    pub rate_each: f64,
    /// The neighbours alone.
    pub without: Measured,
    /// The neighbours beside the hole.
    pub with: Measured,
    /// Messages that the hole's tenant had accepted.
    pub swallowed: u64,
    /// Their median with the hole, over that without.
    pub p50_factor: Option<f64>,
    /// The same of their 99th percentile.
    pub p99_factor: Option<f64>,
}

/// Measures it.
pub async fn measure(stage: &mut Stage, fleet: &Fleet) -> Result<BlackHole> {
    let rate = stage.options.rate.unwrap_or(RATE) / 2.0;
    let mut load = stage.load(fleet);
    load.pace = stage.pace(Some(rate));
    let without = phase::run(stage, "neighbours alone", load.clone(), None).await?;

    let hole = Receiver::start(SocketAddr::new(stage.options.receive_on.ip(), 0), Manner::BlackHole)?;
    let topic = format!("{}-hole", stage.topic);
    stage.make_topic(fleet, &topic).await?;
    stage.make_endpoint(fleet, Some(TENANT), &format!("http://{}/", hole.address()), &topic).await?;
    let mut into_hole = load.clone();
    into_hole.template.topic = topic;
    into_hole.template.tenant = Some(TENANT.to_owned());
    into_hole.fan_out = 1;
    let swallowed = Arc::new(Ledger::default());
    let aside = Aside { load: into_hole, ledger: swallowed.clone() };
    let with = phase::run(stage, "neighbours beside a black hole", load, Some(aside)).await?;
    let factor = |of: fn(&Summary) -> f64| Some(of(with.receive.as_ref()?) / of(without.receive.as_ref()?));
    let (p50_factor, p99_factor) = (factor(|summary| summary.p50_ms), factor(|summary| summary.p99_ms));
    Ok(BlackHole { rate_each: rate, swallowed: swallowed.accepted(), p50_factor, p99_factor, without, with })
}
