//! Writes what happened: outcomes gathered for a few milliseconds, flushed together, fenced by the node's lease.
//!
//! One flush is under way at a time and the queue before it is short, so what a crash can forget (and a later node then
//! sends again) is what was in flight and one flush. While the database is away the queue fills, deliveries wait to hand
//! in their outcome, and so nothing more is sent: a receiver is not asked again for what cannot be remembered.
//!
//! Deliveries that only move to `due`, because their endpoint is blocked, have a queue and a flush of their own: they
//! come by the thousand, and wait for their lane's lock; the outcomes of their neighbours must not stand behind them.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::delivery::Next;
use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{EndpointId, Timestamp};
use posthaste_store::queue::From;
use posthaste_store::{Flush, Follow, Health, Settled, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::Engine;
use crate::dispatch::Passage;

/// The most outcomes of one flush.
const FLUSH: usize = 500;
/// How long the first outcome of a flush waits for company.
const LINGER: Duration = Duration::from_millis(4);

/// What deliveries hand in.
#[derive(Debug)]
enum Event {
    /// Something happened to a delivery, sent under this node's fence.
    Settled(NodeId, Box<Settled>),
    /// A delivery ended as failed and leaves this message behind.
    Followed(NodeId, Box<(Settled, Vec<Follow>)>),
    /// Nothing of a batch is left, and nothing joins it any more.
    Finished(NodeId, BatchId),
    /// An endpoint began to fail, or recovered.
    Health(Health),
    /// Answered once everything handed in before it is written.
    Barrier(oneshot::Sender<()>),
}

/// Where outcomes are handed in.
#[derive(Debug, Clone)]
pub struct Recorder {
    outcomes: mpsc::Sender<Event>,
    moves: mpsc::Sender<Event>,
}

/// What the recorder reads.
#[derive(Debug)]
pub struct Outcomes {
    outcomes: mpsc::Receiver<Event>,
    moves: mpsc::Receiver<Event>,
}

impl Recorder {
    /// The recorder's two ends.
    pub fn channel() -> (Self, Outcomes) {
        let (outcomes, outcomes_end) = mpsc::channel(FLUSH);
        let (moves, moves_end) = mpsc::channel(FLUSH);
        (Self { outcomes, moves }, Outcomes { outcomes: outcomes_end, moves: moves_end })
    }

    /// Hands in what happened to a delivery; waits while the queue is full.
    pub async fn settle(&self, node: NodeId, settled: Settled) {
        let queue = if settled.attempt.is_none() && matches!(settled.next, Next::Wait { .. }) {
            &self.moves
        } else {
            &self.outcomes
        };
        // The recorder ends last; if it is gone, the process is too far in its stop for a record.
        let _ = queue.send(Event::Settled(node, Box::new(settled))).await;
    }

    /// Hands in a failed end with what it leaves behind.
    pub async fn settle_followed(&self, node: NodeId, settled: Settled, follow: Vec<Follow>) {
        if follow.is_empty() {
            return self.settle(node, settled).await;
        }
        let _ = self.outcomes.send(Event::Followed(node, Box::new((settled, follow)))).await;
    }

    /// Hands in that nothing of a batch is left.
    pub async fn finished(&self, node: NodeId, batch: BatchId) {
        let _ = self.outcomes.send(Event::Finished(node, batch)).await;
    }

    /// Hands in that an endpoint began to fail, or recovered.
    pub async fn health(&self, endpoint: EndpointId, failing_since: Option<Timestamp>) {
        let _ = self.outcomes.send(Event::Health(Health { endpoint, failing_since })).await;
    }

    /// Waits until everything handed in so far is written, at most so long.
    pub async fn flushed(&self, longest: Duration) {
        let barrier = async {
            for queue in [&self.moves, &self.outcomes] {
                let (reply, written) = oneshot::channel();
                if queue.send(Event::Barrier(reply)).await.is_ok() {
                    let _ = written.await;
                }
            }
        };
        if tokio::time::timeout(longest, barrier).await.is_err() {
            tracing::warn!("outcomes were not all recorded in time; those deliveries will be repeated");
        }
    }
}

/// Flushes until the engine has stopped.
pub async fn run(engine: Engine, mut events: Outcomes) {
    loop {
        let gathered = tokio::select! {
            gathered = gather(&mut events) => gathered,
            () = engine.0.stop_now.cancelled() => return,
        };
        let built = build(&engine, gathered);
        let mut finished = Vec::new();
        for (node, flush) in built.flushes {
            if write(&engine, node, &flush, &mut finished).await == Written::GivenUp {
                // Nothing that comes later may claim that this was written.
                return;
            }
        }
        // Batches whose last deliveries turned out to be cancelled end after all that was gathered of them.
        if let Some(fence) = engine.0.lease.fence().filter(|_| !finished.is_empty()) {
            let flush = Flush { finished, ..Flush::default() };
            write(&engine, fence.node, &flush, &mut Vec::new()).await;
        }
        for reply in built.barriers {
            // Whoever asked may have lost patience.
            let _ = reply.send(());
        }
    }
}

#[derive(Debug, Default)]
struct Gathered {
    outcomes: Vec<Event>,
    moves: Vec<Event>,
}

/// Waits for something, then takes what comes within the linger, up to one flush of each kind.
async fn gather(events: &mut Outcomes) -> Gathered {
    let mut gathered = Gathered::default();
    let mut deadline = None;
    loop {
        let (outcomes, moves) = (FLUSH - gathered.outcomes.len(), FLUSH - gathered.moves.len());
        if outcomes == 0 || moves == 0 {
            return gathered;
        }
        let until = deadline.unwrap_or_else(|| tokio::time::Instant::now() + LINGER);
        tokio::select! {
            biased;
            _ = events.outcomes.recv_many(&mut gathered.outcomes, outcomes) => {}
            _ = events.moves.recv_many(&mut gathered.moves, moves) => {}
            () = tokio::time::sleep_until(until), if deadline.is_some() => return gathered,
        }
        deadline.get_or_insert_with(|| tokio::time::Instant::now() + LINGER);
    }
}

struct Built {
    /// In the order in which they are written.
    flushes: Vec<(NodeId, Flush)>,
    barriers: Vec<oneshot::Sender<()>>,
}

/// Outcomes first, then moves; of each, one flush for each fence: what was sent under a lease that is lost is written
/// under that one, so that the store sees that it is stale.
fn build(engine: &Engine, gathered: Gathered) -> Built {
    let mut barriers = Vec::new();
    let current = engine.0.lease.fence().map(|fence| fence.node);
    let mut finished = Vec::new();
    let outcomes = sort(engine, gathered.outcomes, current, &mut finished, &mut barriers);
    let moves = sort(engine, gathered.moves, current, &mut finished, &mut barriers);
    let mut flushes: Vec<_> = outcomes.into_iter().chain(moves).collect();
    // A batch ends with the last flush that says something of it.
    if let Some(node) = current.filter(|_| !finished.is_empty()) {
        match flushes.iter_mut().rev().find(|(owner, _)| *owner == node) {
            Some((_, flush)) => flush.finished = finished,
            None => flushes.push((node, Flush { finished, ..Flush::default() })),
        }
    }
    Built { flushes, barriers }
}

fn sort(
    engine: &Engine,
    events: Vec<Event>,
    current: Option<NodeId>,
    finished: &mut Vec<BatchId>,
    barriers: &mut Vec<oneshot::Sender<()>>,
) -> HashMap<NodeId, Flush> {
    let mut flushes: HashMap<NodeId, Flush> = HashMap::new();
    let mut health: HashMap<EndpointId, Health> = HashMap::new();
    // Under a former lease nothing is counted: a batch may have come back to this node since.
    let mut left = |node, settled: &Settled| {
        if let From::Batch(batch) = settled.from
            && Some(node) == current
            && engine.0.dispatch.leaves_batch(batch)
        {
            finished.push(batch);
        }
    };
    let mut ended = Vec::new();
    for event in events {
        match event {
            Event::Settled(node, settled) => {
                left(node, &settled);
                flushes.entry(node).or_default().settled.push(*settled);
            }
            Event::Followed(node, followed) => {
                let (settled, follow) = *followed;
                left(node, &settled);
                let flush = flushes.entry(node).or_default();
                flush.settled.push(settled);
                flush.follow.extend(follow);
            }
            Event::Finished(node, batch) if Some(node) == current => ended.push(batch),
            Event::Finished(..) => {}
            Event::Health(change) => {
                health.insert(change.endpoint, change);
            }
            Event::Barrier(reply) => barriers.push(reply),
        }
    }
    finished.append(&mut ended);
    if let Some(node) = current.filter(|_| !health.is_empty()) {
        flushes.entry(node).or_default().health = health.into_values().collect();
    }
    flushes
}

#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// As far as it may be.
    Done,
    /// The engine stops, and the database did not answer.
    GivenUp,
}

/// Writes one flush, however long the database takes to come back; gives up only with the lease, or at the end.
/// Batches that end because what was left of them is cancelled are added to `finished`.
async fn write(engine: &Engine, node: NodeId, flush: &Flush, finished: &mut Vec<BatchId>) -> Written {
    let mut pause = Duration::from_millis(10);
    loop {
        match engine.0.store.record(node, flush).await {
            Ok(recorded) if recorded.stale => {
                tracing::warn!(outcomes = flush.settled.len(), "the lease was lost; only successes were recorded");
                engine.lease_lost(node);
                return Written::Done;
            }
            Ok(recorded) => {
                written(engine, flush);
                finished.extend(engine.take_out(&recorded.cancelled));
                return Written::Done;
            }
            Err(StoreError::LeaseLost) => {
                engine.lease_lost(node);
                return Written::Done;
            }
            Err(error) => {
                tracing::error!(%error, outcomes = flush.settled.len(), "outcomes could not be recorded; trying again");
                engine.0.metrics.record_failures.inc();
                if engine.0.stop_now.is_cancelled() {
                    return Written::GivenUp;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// After the commit: memory follows.
fn written(engine: &Engine, flush: &Flush) {
    engine.0.metrics.flushed(flush.settled.len());
    let from_due = flush.settled.iter().filter(|settled| matches!(settled.from, From::Due { .. }));
    let recorded = from_due.map(|settled| (settled.endpoint, settled.delivery, Passage::after(settled)));
    engine.0.dispatch.recorded(recorded, engine.0.clock.now());
    let wakes = flush.settled.iter().filter_map(|settled| match settled.next {
        Next::Wait { due_at, .. } => Some(due_at),
        _ => None,
    });
    let follows = flush.follow.iter().flat_map(|follow| &follow.message.waits).map(|wait| wait.due_at);
    if let Some(due_at) = wakes.chain(follows).min() {
        engine.0.drain_hint.by(due_at);
    }
    if let Some(sink) = &engine.0.options.attempt_log {
        sink.attempts(&flush.settled);
    }
}

impl Engine {
    /// Takes cancelled deliveries out of memory. Their ends are recorded already; only the batch's count is left.
    pub(crate) async fn withdraw(&self, cancelled: &[posthaste_core::DeliveryId]) {
        // Through the recorder: others of the batch may have been counted that are not written yet.
        for batch in self.take_out(cancelled) {
            if let Some(fence) = self.0.lease.fence() {
                self.0.record.finished(fence.node, batch).await;
            }
        }
    }

    /// The same, but says which batches end with it.
    fn take_out(&self, cancelled: &[posthaste_core::DeliveryId]) -> Vec<BatchId> {
        let withdrawn = self.0.dispatch.withdraw(cancelled, self.0.clock.now());
        let batches = withdrawn.iter().filter_map(|job| match job.from {
            From::Batch(batch) => Some(batch),
            From::Due { .. } => None,
        });
        batches.filter(|batch| self.0.dispatch.leaves_batch(*batch)).collect()
    }

    /// The lease went to others: everything in memory is theirs.
    pub(crate) fn lease_lost(&self, node: NodeId) {
        if self.0.lease.fence().is_some_and(|fence| fence.node == node) {
            self.0.lease.lost();
            self.0.dispatch.clear();
            self.0.rejoin.notify_one();
        }
    }
}
