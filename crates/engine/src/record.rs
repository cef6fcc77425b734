//! Writes what happened: outcomes gathered for a few milliseconds, flushed together, fenced by the node's lease.
//!
//! One flush is under way at a time and the queue before it is short, so what a crash can forget (and a later node then
//! sends again) is what was in flight and one flush. While the database is away the queue fills, deliveries wait to hand
//! in their outcome, and so nothing more is sent: a receiver is not asked again for what cannot be remembered.

use std::collections::HashMap;
use std::time::Duration;

use posthaste_core::delivery::Next;
use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{EndpointId, Timestamp};
use posthaste_store::queue::From;
use posthaste_store::{Flush, Health, Settled, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::Engine;

/// The most outcomes of one flush.
const FLUSH: usize = 500;
/// How long the first outcome of a flush waits for company.
const LINGER: Duration = Duration::from_millis(4);

/// What deliveries hand in.
#[derive(Debug)]
pub enum Event {
    /// Something happened to a delivery, sent under this node's fence.
    Settled(NodeId, Box<Settled>),
    /// An endpoint began to fail, or recovered.
    Health(Health),
    /// Answered once everything handed in before it is written.
    Barrier(oneshot::Sender<()>),
}

/// Where outcomes are handed in.
#[derive(Debug, Clone)]
pub struct Recorder(mpsc::Sender<Event>);

impl Recorder {
    /// The recorder's two ends.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(FLUSH);
        (Self(sender), receiver)
    }

    /// Hands in what happened to a delivery; waits while the queue is full.
    pub async fn settle(&self, node: NodeId, settled: Settled) {
        // The recorder ends last; if it is gone, the process is too far in its stop for a record.
        let _ = self.0.send(Event::Settled(node, Box::new(settled))).await;
    }

    /// Hands in that an endpoint began to fail, or recovered.
    pub async fn health(&self, endpoint: EndpointId, failing_since: Option<Timestamp>) {
        let _ = self.0.send(Event::Health(Health { endpoint, failing_since })).await;
    }

    /// Waits until everything handed in so far is written, at most so long.
    pub async fn flushed(&self, longest: Duration) {
        let (reply, written) = oneshot::channel();
        let barrier = async {
            if self.0.send(Event::Barrier(reply)).await.is_ok() {
                let _ = written.await;
            }
        };
        if tokio::time::timeout(longest, barrier).await.is_err() {
            tracing::warn!("outcomes were not all recorded in time; those deliveries will be repeated");
        }
    }
}

/// Flushes until every sender is gone.
pub async fn run(engine: Engine, mut events: mpsc::Receiver<Event>) {
    while let Some(first) = events.recv().await {
        let mut gathered = vec![first];
        gather(&mut events, &mut gathered).await;
        let (flushes, barriers) = build(&engine, gathered);
        for (node, flush) in flushes {
            write(&engine, node, &flush).await;
        }
        for reply in barriers {
            // Whoever asked may have lost patience.
            let _ = reply.send(());
        }
    }
}

/// Takes what comes within the linger, up to one flush.
async fn gather(events: &mut mpsc::Receiver<Event>, gathered: &mut Vec<Event>) {
    let deadline = tokio::time::Instant::now() + LINGER;
    while gathered.len() < FLUSH {
        let room = FLUSH - gathered.len();
        tokio::select! {
            biased;
            taken = events.recv_many(gathered, room) => if taken == 0 { return },
            () = tokio::time::sleep_until(deadline) => return,
        }
    }
}

/// One flush for each fence: what was sent under a lease that is lost is written under that one, so that the store sees
/// that it is stale.
fn build(engine: &Engine, events: Vec<Event>) -> (HashMap<NodeId, Flush>, Vec<oneshot::Sender<()>>) {
    let mut flushes: HashMap<NodeId, Flush> = HashMap::new();
    let mut barriers = Vec::new();
    let mut health: HashMap<EndpointId, Health> = HashMap::new();
    for event in events {
        match event {
            Event::Settled(node, settled) => {
                let flush = flushes.entry(node).or_default();
                if let From::Batch(batch) = settled.from
                    && engine.0.dispatch.leaves_batch(batch)
                {
                    flush.finished.push(batch);
                }
                flush.settled.push(*settled);
            }
            Event::Health(change) => {
                health.insert(change.endpoint, change);
            }
            Event::Barrier(reply) => barriers.push(reply),
        }
    }
    if let Some(fence) = engine.0.lease.fence().filter(|_| !health.is_empty()) {
        flushes.entry(fence.node).or_default().health = health.into_values().collect();
    }
    (flushes, barriers)
}

/// Writes one flush, however long the database takes to come back; gives up only with the lease.
async fn write(engine: &Engine, node: NodeId, flush: &Flush) {
    let mut pause = Duration::from_millis(10);
    loop {
        match engine.0.store.record(node, flush).await {
            Ok(recorded) if recorded.stale => {
                tracing::warn!(outcomes = flush.settled.len(), "the lease was lost; only successes were recorded");
                engine.lease_lost(node);
                return;
            }
            Ok(recorded) => {
                written(engine, flush, &recorded.cancelled).await;
                return;
            }
            Err(StoreError::LeaseLost) => {
                engine.lease_lost(node);
                return;
            }
            Err(error) => {
                tracing::error!(%error, outcomes = flush.settled.len(), "outcomes could not be recorded; trying again");
                engine.0.metrics.record_failures.inc();
                if engine.0.stop_now.is_cancelled() {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// After the commit: memory follows.
async fn written(engine: &Engine, flush: &Flush, cancelled: &[posthaste_core::DeliveryId]) {
    engine.0.metrics.flushed(flush.settled.len());
    let from_due = flush.settled.iter().filter(|settled| matches!(settled.from, From::Due { .. }));
    engine.0.dispatch.recorded(from_due.map(|settled| (settled.endpoint, settled.delivery)));
    let wakes = flush.settled.iter().filter_map(|settled| match settled.next {
        Next::Wait { due_at, .. } => Some(due_at),
        _ => None,
    });
    if let Some(due_at) = wakes.min() {
        engine.0.drain_hint.by(due_at);
    }
    if let Some(sink) = &engine.0.options.attempt_log {
        sink.attempts(&flush.settled);
    }
    engine.withdraw(cancelled).await;
}

impl Engine {
    /// Takes cancelled deliveries out of memory. Their ends are recorded already; only the batch's count is left.
    pub(crate) async fn withdraw(&self, cancelled: &[posthaste_core::DeliveryId]) {
        let withdrawn = self.0.dispatch.withdraw(cancelled);
        let mut finished: Vec<BatchId> = Vec::new();
        for job in withdrawn {
            if let From::Batch(batch) = job.from
                && self.0.dispatch.leaves_batch(batch)
            {
                finished.push(batch);
            }
        }
        let Some(fence) = self.0.lease.fence().filter(|_| !finished.is_empty()) else { return };
        let flush = Flush { finished, ..Flush::default() };
        Box::pin(write(self, fence.node, &flush)).await;
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
