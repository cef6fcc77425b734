//! Reads what is due from the lanes of this node's shards and hands it to the dispatcher.
//!
//! The owner of a shard is the only one who sends its `due` rows, so rows are read, not claimed: limits, order and
//! breakers live in one memory. Polling is the truth; a hint only brings the next poll forward.

mod lane;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use posthaste_core::{Lane, Timestamp};
use posthaste_store::StoreError;
use posthaste_store::queue::ReadyLane;
use tokio::sync::Notify;

use crate::Engine;
use crate::chance;

/// The longest pause between two polls; each is drawn from its half upward.
const POLL: Duration = Duration::from_millis(400);
/// The shortest.
const SHORTEST: Duration = Duration::from_millis(5);
/// How many lanes one poll looks at.
const LANES: u32 = 256;
/// How many lanes are read at once.
const AT_ONCE: usize = 4;

/// Brings the next poll forward.
#[derive(Debug, Default)]
pub struct Hint {
    notify: Notify,
    /// Microseconds; 0: none.
    at: AtomicI64,
}

impl Hint {
    /// Something will be due at this instant.
    pub fn by(&self, due: Timestamp) {
        let micros = due.as_micros().max(1);
        let before = self.at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |known| {
            (known == 0 || micros < known).then_some(micros)
        });
        if before.is_ok() {
            self.notify.notify_one();
        }
    }

    fn take(&self) {
        self.at.store(0, Ordering::Release);
    }

    fn pause(&self, now: Timestamp, longest: Duration) -> Duration {
        match self.at.load(Ordering::Acquire) {
            0 => longest,
            micros => Timestamp::from_micros(micros).since(now).clamp(SHORTEST, longest),
        }
    }
}

/// Polls until the engine stops.
pub async fn run(engine: Engine) {
    let mut pace = Duration::ZERO;
    loop {
        let longest = POLL / 2 + POLL.mul_f64(chance::draw() / 2.0);
        wait(&engine, longest.max(pace)).await;
        if engine.is_stopping() {
            return;
        }
        engine.0.drain_hint.take();
        match poll(&engine).await {
            Ok(()) => pace = Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "what is due could not be read; trying again");
                pace = Duration::from_secs(1);
            }
        }
    }
}

/// Waits for the poll interval, or less if something is due earlier or a lane has room again.
async fn wait(engine: &Engine, longest: Duration) {
    let hint = &engine.0.drain_hint;
    let deadline = tokio::time::Instant::now() + longest;
    // However often it is hinted, polls keep a distance.
    tokio::time::sleep(SHORTEST).await;
    loop {
        let pause = hint.pause(engine.0.clock.now(), longest);
        let until = (tokio::time::Instant::now() + pause).min(deadline);
        tokio::select! {
            () = hint.notify.notified() => {}
            () = engine.0.stopping.cancelled() => return,
            () = tokio::time::sleep_until(until) => return,
        }
    }
}

pub(crate) async fn poll(engine: &Engine) -> Result<(), StoreError> {
    let _gate = engine.0.drain_gate.lock().await;
    let now = engine.0.clock.now();
    engine.0.dispatch.relist(now);
    let shards = engine.owned().reading;
    let Some(fence) = engine.0.lease.may_send().filter(|_| !shards.is_empty()) else {
        engine.pump();
        return Ok(());
    };
    let mut lanes = engine.0.store.ready_lanes(&shards, now, LANES).await?;
    if lanes.len() >= LANES as usize {
        engine.0.drain_hint.by(now);
    }
    let listed: std::collections::HashSet<Lane> = lanes.iter().map(|lane| lane.lane).collect();
    // Lanes whose reading stopped for lack of room stay ready in the database and are among those listed, unless others
    // crowd them out.
    for (lane, tenant) in engine.0.dispatch.hungry(now) {
        if !listed.contains(&lane) && shards.contains(lane.endpoint.shard()) {
            lanes.push(ReadyLane { lane, tenant, writes: -1 });
        }
    }
    let reads = lanes.into_iter().map(|lane| lane::read(engine, fence, lane, now));
    let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
    let mut result = Ok(());
    while let Some(read) = reads.next().await {
        if let Err(error) = read {
            result = Err(error);
        }
    }
    engine.pump();
    result
}
