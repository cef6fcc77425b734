//! A server that nobody uses.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::error::Result;
use crate::fleet::Fleet;
use crate::progress::Progress;

/// How long a server has to settle after its start.
const SETTLE: Duration = Duration::from_secs(2);

/// What it costs to do nothing.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Idle {
    /// Resident memory of the servers, in bytes.
    pub memory_bytes: u64,
    /// Share of one core that they use, 1 = all of it.
    pub cores: f64,
}

/// Watches idle servers for a while; nothing without their process ids.
pub async fn measure(fleet: &Fleet, watch: Duration) -> Result<Option<Idle>> {
    let progress = Progress::begin("idle", SETTLE + watch);
    tokio::time::sleep(SETTLE).await;
    let (clock, before) = (Clock::start(), fleet.spent()?);
    tokio::time::sleep(watch).await;
    let (after, memory) = (fleet.spent()?, fleet.memory()?);
    drop(progress);
    let (Some(before), Some(after), Some(memory)) = (before.servers, after.servers, memory) else { return Ok(None) };
    let watched = Duration::from_nanos(clock.now()).as_secs_f64();
    let cores = after.saturating_sub(before).as_secs_f64() / watched;
    Ok(Some(Idle { memory_bytes: memory.resident, cores }))
}
