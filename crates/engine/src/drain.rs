//! Reads what is due from the lanes of this node's shards and hands it to the dispatcher.
//!
//! The owner of a shard is the only one who sends its `due` rows, so rows are read, not claimed: limits, order and
//! breakers live in one memory. Polling is the truth; a hint only brings the next poll forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use posthaste_core::{EndpointId, Lane, Timestamp};
use posthaste_store::StoreError;
use posthaste_store::queue::{DueDelivery, From, ReadyLane, Rest};
use tokio::sync::Notify;

use crate::Engine;
use crate::chance;
use crate::dispatch::lane::{Cursor, Job};

/// The longest pause between two polls; each is drawn from its half upward.
const POLL: Duration = Duration::from_millis(400);
/// The shortest.
const SHORTEST: Duration = Duration::from_millis(5);
/// How many lanes one poll looks at.
const LANES: u32 = 256;
/// How many lanes are read at once.
const AT_ONCE: usize = 4;
/// How long a lane without room is left alone, lest the full ones fill every poll; it is read earlier when it has room.
const FULL: Duration = Duration::from_millis(500);
/// The most rows read of one lane at once.
const ROWS: u32 = 500;

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

async fn poll(engine: &Engine) -> Result<(), StoreError> {
    let _gate = engine.0.drain_gate.lock().await;
    let now = engine.0.clock.now();
    engine.0.dispatch.relist(now);
    let shards = engine.owned().reading;
    if shards.is_empty() || engine.0.lease.may_send().is_none() {
        engine.pump();
        return Ok(());
    }
    let mut lanes = engine.0.store.ready_lanes(&shards, now, LANES).await?;
    if lanes.len() >= LANES as usize {
        engine.0.drain_hint.by(now);
    }
    let listed: std::collections::HashSet<EndpointId> = lanes.iter().map(|lane| lane.lane.endpoint).collect();
    // Lanes whose reading stopped for lack of room stay ready in the database and are among those listed, unless others
    // crowd them out.
    for (endpoint, tenant) in engine.0.dispatch.hungry(now) {
        if !listed.contains(&endpoint) && shards.contains(endpoint.shard()) {
            lanes.push(ReadyLane { lane: Lane::unordered(endpoint), tenant, writes: -1 });
        }
    }
    let reads = lanes.into_iter().map(|lane| drain(engine, lane, now));
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

/// Reads one lane as far as there is room.
async fn drain(engine: &Engine, lane: ReadyLane, now: Timestamp) -> Result<(), StoreError> {
    let (view, _) = engine.0.catalog.view(&lane.tenant).await?;
    let endpoint = view.endpoint(lane.lane.endpoint);
    let window = match endpoint {
        Some(endpoint) if !endpoint.endpoint.state.sends() => {
            return rest(engine, &lane, Rest::Asleep).await;
        }
        Some(endpoint) => endpoint.endpoint.settings.max_in_flight,
        // Deleted: what waits is ended, as fast as it can be read.
        None => ROWS,
    };
    if let Some((until, _)) = engine.0.dispatch.blocked(lane.lane.endpoint, now).filter(|(until, _)| *until > now) {
        return rest(engine, &lane, Rest::Until(until)).await;
    }
    let room = engine.0.dispatch.room(lane.lane.endpoint, window, now);
    if room.free == 0 {
        engine.0.dispatch.leave_unread(lane.lane.endpoint, lane.writes);
        return rest(engine, &lane, Rest::Until(now + FULL)).await;
    }
    // A pass that begins anew meets the rows that are here already; they take no room.
    let limit = room.free.saturating_add(room.held).min(ROWS);
    let rows = engine.0.store.lane_due(lane.lane.endpoint, room.cursor.after, now, limit).await?;
    let after = rows.last().map(|row| (row.due.due_at, row.due.delivery));
    let more = u32::try_from(rows.len()).unwrap_or(u32::MAX) >= limit;
    let jobs = rows.into_iter().filter_map(|row| job(engine, row)).collect();
    // What the lane had seen when the pass began: rows that came since may stand before the cursor.
    let writes = room.cursor.writes.or((lane.writes >= 0).then_some(lane.writes));
    let cursor = if more { Cursor { after, more, writes } } else { Cursor::default() };
    engine.0.dispatch.add_due(lane.lane.endpoint, &lane.tenant, jobs, window, cursor, now);
    match writes {
        // The pass is at its end: everything due by now is in memory. If rows came meanwhile the lane stays ready.
        Some(writes) if !more => rest(engine, &ReadyLane { writes, ..lane }, Rest::UntilAfter(now)).await,
        _ => Ok(()),
    }
}

async fn rest(engine: &Engine, lane: &ReadyLane, rest: Rest) -> Result<(), StoreError> {
    let Some(fence) = engine.0.lease.fence() else { return Ok(()) };
    if lane.writes >= 0 {
        engine.0.store.rest_lane(fence.node, lane.lane, lane.writes, rest).await?;
    }
    Ok(())
}

fn job(engine: &Engine, row: DueDelivery) -> Option<Job> {
    let Some(message) = row.message else {
        // Without its message nothing can be said of it, not even whose it is to close; the store's invariants exclude
        // it, so it is reported and left.
        tracing::error!(delivery = %row.due.delivery, "a waiting delivery has no message");
        engine.0.metrics.broken_invariants.inc();
        return None;
    };
    Some(Job {
        delivery: row.due.delivery,
        endpoint: row.due.endpoint,
        message,
        payload: row.payload,
        from: From::Due { attempts: row.due.progress.attempts },
        progress: row.due.progress,
    })
}

/// Claims batches that nobody owns while there is room, until the engine stops.
pub async fn claim(engine: Engine) {
    loop {
        let pause = Duration::from_secs(2).mul_f64(0.5 + chance::draw() / 2.0);
        tokio::select! {
            () = engine.0.stopping.cancelled() => return,
            () = engine.0.unclaimed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        while engine.0.dispatch.has_room() && !engine.is_stopping() {
            match claim_some(&engine).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "free batches could not be claimed; trying again");
                    break;
                }
            }
        }
        // Memory is full although more may be free: look again when some of it is done.
        if !engine.0.dispatch.has_room() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            engine.0.unclaimed.notify_one();
        }
    }
}

async fn claim_some(engine: &Engine) -> Result<usize, StoreError> {
    let Some(fence) = engine.0.lease.may_send() else { return Ok(0) };
    let claimed = engine.0.store.claim_batches(fence.node, 16).await?;
    let now = engine.0.clock.now();
    let count = claimed.len();
    for batch in claimed {
        let mut jobs = Vec::new();
        for unsent in batch.left {
            // The batch is ours from the claim on: whatever fails now, its jobs have to get into memory.
            let view = engine.0.catalog.view(&unsent.message.tenant).await.ok();
            for delivery in unsent.deliveries {
                let Some(target) = unsent.message.target(delivery) else { continue };
                let known = view.as_ref().and_then(|(view, _)| view.endpoint(target.endpoint));
                let window = known.map_or(1, |known| known.endpoint.settings.max_in_flight);
                let job = Job {
                    delivery,
                    endpoint: target.endpoint,
                    message: Arc::clone(&unsent.message),
                    payload: unsent.payload.clone(),
                    from: From::Batch(batch.batch),
                    progress: posthaste_core::delivery::Progress::default(),
                };
                jobs.push((job, window));
            }
        }
        engine.0.dispatch.add_batch(batch.batch, jobs, now);
    }
    engine.pump();
    Ok(count)
}
