//! The group commit: all that is queued goes into one transaction, without lingering.
//!
//! While one group commits, the next gathers behind it; under load groups grow, at rest each message goes at once. What
//! is committed as ours goes straight to the dispatcher, from memory.
//!
//! Three committers stand side by side, so that none of them waits for another's locks: the narrow one for what is sent
//! from memory, the wide one for great fan-outs, and one for messages of which something waits. What waits is written
//! under its lane's lock, held to the commit; beside an endpoint that answers nothing, its neighbours must not notice.

mod answer;
mod batch;
mod group;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posthaste_core::filter::Payload;
use posthaste_core::message::MessageExtras;
use posthaste_core::{MessageId, Tenant, Timestamp, TopicName};
use posthaste_store::queue::{BATCH_SPAN, BatchRow, IdempotencyKey, Owner, Wait};
use posthaste_store::{CatalogVersion, Group, Published, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::Engine;
use crate::addressing::{Addressing, Subject};
use crate::catalog::{EndpointView, TenantView};
use crate::dispatch::Intake;
use crate::error::{EngineError, Result};
use crate::ingest::{Receipt, STOPPING};
use answer::{answer_one, key_in_progress, refuse, settle};
use batch::Slot;
use group::{build, direct, owner, place, rematch};

/// The most targets of one group; a message with more has a committer of its own.
pub const GROUP_TARGETS: usize = 500;
/// The most payload bytes of one group, beyond its first message.
const GROUP_BYTES: usize = 1 << 20;
/// How many messages may wait for a commit; then publishers are told that the queue is full.
pub const QUEUE: usize = 8_192;
/// How many great fan-outs may wait for a commit: each may be a million targets.
const WIDE_QUEUE: usize = 64;
/// How often a message whose key is held by a stuck neighbour is tried again.
const BUSY_TRIES: u32 = 25;

/// A message that is checked and matched, waiting for its commit.
#[derive(Debug)]
pub struct Pending {
    /// Whose.
    pub tenant: Tenant,
    /// Its topic.
    pub topic: Option<TopicName>,
    /// Whom it is for, to match again if the catalog moves.
    pub addressing: Addressing,
    /// The catalog version that `targets` were matched with.
    pub matched: CatalogVersion,
    /// The endpoints that it is owed to.
    pub targets: Vec<Arc<EndpointView>>,
    /// Those of them that wait in the database, by position.
    pub waits: Vec<Wait>,
    /// The payload's content type.
    pub content_type: String,
    /// Not to be sent before.
    pub deliver_at: Option<Timestamp>,
    /// The rarer members.
    pub extras: MessageExtras,
    /// The payload.
    pub payload: Bytes,
    /// The caller's key.
    pub idempotency: Option<IdempotencyKey>,
    /// Where the publisher waits.
    pub reply: oneshot::Sender<Result<Receipt>>,
}

impl Pending {
    /// Whom it is owed to, in a tenant's view.
    fn targets_in(&self, view: &TenantView) -> Result<Vec<Arc<EndpointView>>> {
        let payload = Payload::new(&self.payload);
        self.addressing.targets(view, &Subject::new(self.topic.as_ref(), &self.extras, &payload))
    }
}

/// The queues before the committers.
#[derive(Debug, Clone)]
pub struct Queues {
    narrow: mpsc::Sender<Pending>,
    wide: mpsc::Sender<Pending>,
    waiting: mpsc::Sender<Pending>,
}

/// What the committers read.
#[derive(Debug)]
pub struct Committers {
    narrow: mpsc::Receiver<Pending>,
    wide: mpsc::Receiver<Pending>,
    waiting: mpsc::Receiver<Pending>,
}

/// Both ends of the queues.
pub fn queues() -> (Queues, Committers) {
    let (narrow, narrow_end) = mpsc::channel(QUEUE);
    let (wide, wide_end) = mpsc::channel(WIDE_QUEUE);
    let (waiting, waiting_end) = mpsc::channel(QUEUE);
    let committers = Committers { narrow: narrow_end, wide: wide_end, waiting: waiting_end };
    (Queues { narrow, wide, waiting }, committers)
}

impl Committers {
    /// Starts them on the engine's tracker.
    pub fn spawn(self, engine: &Engine) {
        let tracker = &engine.0.tracker;
        tracker.spawn(run(engine.clone(), self.narrow, engine.0.options.commit_width, Way::Narrow));
        tracker.spawn(run(engine.clone(), self.wide, 1, Way::Other));
        tracker.spawn(run(engine.clone(), self.waiting, 1, Way::Other));
    }
}

/// Whether a committer hands on what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To the committer for it.
    Narrow,
    /// It takes everything.
    Other,
}

impl Engine {
    /// Queues a checked message for the committer that it belongs to.
    pub(crate) fn submit(&self, mut pending: Pending) -> Result<()> {
        place(&self.0.dispatch.gate(), &mut pending, self.0.clock.now());
        let queues = &self.0.commit;
        let queue = if pending.targets.len() > GROUP_TARGETS {
            &queues.wide
        } else if pending.waits.is_empty() {
            &queues.narrow
        } else {
            &queues.waiting
        };
        queue.try_send(pending).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => EngineError::Busy {
                detail: "the queue of accepted messages is full",
                retry_after: Duration::from_secs(1),
            },
            mpsc::error::TrySendError::Closed(_) => STOPPING,
        })
    }
}

/// Gathers groups and commits them, `width` at a time, until the engine has stopped.
async fn run(engine: Engine, mut queue: mpsc::Receiver<Pending>, width: usize, way: Way) {
    let mut free: Vec<Slot> = (0..width).map(|_| Slot::default()).collect();
    let mut running: JoinSet<Slot> = JoinSet::new();
    let mut carried: Option<Pending> = None;
    loop {
        let first = tokio::select! {
            biased;
            // A commit that panicked takes its open batch with it: nobody can say what came into it.
            Some(ended) = running.join_next() => { free.push(ended.unwrap_or_default()); continue }
            () = std::future::ready(()), if carried.is_some() && !free.is_empty() => carried.take(),
            pending = queue.recv(), if carried.is_none() && !free.is_empty() => pending,
            () = engine.0.stopping.cancelled(), if free.iter().any(Slot::is_open) => None,
            () = engine.0.stop_now.cancelled() => return,
            // Batches that nothing joins any more are closed, also when nothing comes.
            () = tokio::time::sleep(BATCH_SPAN / 2) => None,
        };
        for slot in &mut free {
            slot.close_if_over(&engine).await;
        }
        let Some(first) = first else { continue };
        let Some(slot) = free.pop() else {
            carried = Some(first);
            continue;
        };
        let mut group = vec![first];
        carried = gather(&mut group, &mut queue);
        let committing = commit(engine.clone(), group, slot, way);
        running.spawn(engine.0.tracker.track_future(committing));
    }
}

/// Takes what is queued, up to the bounds; returns the one that did not fit.
fn gather(group: &mut Vec<Pending>, queue: &mut mpsc::Receiver<Pending>) -> Option<Pending> {
    let mut targets = group.iter().map(|pending| pending.targets.len().max(1)).sum::<usize>();
    let mut bytes = group.iter().map(|pending| pending.payload.len()).sum::<usize>();
    while targets < GROUP_TARGETS && bytes < GROUP_BYTES {
        let next = queue.try_recv().ok()?;
        let weight = next.targets.len().max(1);
        let special = next.idempotency.is_some() || next.extras.uid.is_some();
        let collides = special && group.iter().any(|pending| collide(pending, &next));
        if collides || targets + weight > GROUP_TARGETS || bytes + next.payload.len() > GROUP_BYTES {
            return Some(next);
        }
        targets += weight;
        bytes += next.payload.len();
        group.push(next);
    }
    None
}

/// Whether two publishes may not share a group: their keys or uids collide.
fn collide(one: &Pending, other: &Pending) -> bool {
    if one.tenant != other.tenant {
        return false;
    }
    let keys = (&one.idempotency, &other.idempotency);
    let same_key = matches!(keys, (Some(a), Some(b)) if a.verb == b.verb && a.key == b.key);
    let same_uid = one.extras.uid.is_some() && one.extras.uid == other.extras.uid;
    same_key || same_uid
}

/// Commits one group to its end: committed, refused, or the lease lost.
async fn commit(engine: Engine, mut group: Vec<Pending>, mut slot: Slot, way: Way) -> Slot {
    if way == Way::Narrow {
        hand_on(&engine, &mut group);
    }
    let mut work = vec![group];
    let mut tries = 0;
    while let Some(group) = work.pop() {
        if group.is_empty() {
            continue;
        }
        let (group, answer) = attempt(&engine, group, &mut slot).await;
        match answer {
            Ok(Ended::Done) => {}
            Ok(Ended::Busy(busy)) => {
                let (stuck, free): (Vec<_>, Vec<_>) =
                    group.into_iter().enumerate().partition(|(index, _)| busy.contains(index));
                // The others first: one stopped holder of a key must not hold them up.
                tries += 1;
                if tries > BUSY_TRIES {
                    for (_, pending) in stuck {
                        answer_one(pending, Err(key_in_progress()));
                    }
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    work.extend(stuck.into_iter().map(|(_, pending)| vec![pending]));
                }
                work.push(free.into_iter().map(|(_, pending)| pending).collect());
            }
            // One bad row must not take its neighbours with it.
            Err(EngineError::Internal(_)) if group.len() > 1 => {
                work.extend(group.into_iter().map(|pending| vec![pending]));
            }
            Err(error) => refuse(group, &error),
        }
    }
    slot
}

/// Looks again at what waits, since endpoints were blocked or freed meanwhile, and gives messages that now wait to the
/// committer for them. If that one's queue is full they are committed here: late is better than refused.
fn hand_on(engine: &Engine, group: &mut Vec<Pending>) {
    let now = engine.0.clock.now();
    {
        let gate = engine.0.dispatch.gate();
        for pending in group.iter_mut() {
            place(&gate, pending, now);
        }
    }
    if group.iter().all(|pending| pending.waits.is_empty()) {
        return;
    }
    let (waiting, direct): (Vec<_>, Vec<_>) = group.drain(..).partition(|pending| !pending.waits.is_empty());
    *group = direct;
    for pending in waiting {
        if let Err(refused) = engine.0.commit.waiting.try_send(pending) {
            group.push(refused.into_inner());
        }
    }
}

enum Ended {
    Done,
    Busy(Vec<usize>),
}

/// Tries one group until the store says what became of it. Ids are minted once: a repeated call is the same commit.
async fn attempt(engine: &Engine, mut pending: Vec<Pending>, slot: &mut Slot) -> (Vec<Pending>, Result<Ended>) {
    let Some(fence) = engine.0.lease.fence() else { return (pending, Err(EngineError::Unavailable)) };
    let now = engine.0.clock.now();
    let mut ids: Vec<MessageId> = {
        let mut mint = engine.0.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pending.iter().map(|_| mint.mint(now)).collect()
    };
    let mut pause = Duration::from_millis(20);
    // A group whose COMMIT is in doubt is repeated exactly as it was: made anew it might place a target elsewhere than
    // the commit that landed did.
    let mut in_doubt: Option<Group> = None;
    let mut doubted = false;
    loop {
        let group = match in_doubt.take() {
            Some(group) => group,
            None => {
                pending = match rematch(engine, pending, engine.0.catalog.version()).await {
                    Ok(matched) if matched.is_empty() => return (matched, Ok(Ended::Done)),
                    Ok(matched) => matched,
                    Err((pending, error)) => return (pending, Err(error)),
                };
                ids.truncate(pending.len());
                let owner = owner(engine, &mut pending);
                let direct = direct(&pending);
                let (batch, row) = match owner {
                    Owner::Publisher => slot.batch_for(engine, fence.node, &ids, direct).await,
                    Owner::Nobody => Slot::default().batch_for(engine, fence.node, &ids, direct).await,
                };
                build(&pending, &ids, batch, row, owner)
            }
        };
        match engine.0.store.publish(fence.node, &group).await {
            Ok(Published::Committed(answers)) => {
                let shared = group.owner == Owner::Publisher && !doubted && !engine.is_stopping();
                let (batch, row) = (group.batch, group.row);
                let state = if shared && row == BatchRow::Insert { Intake::Opens } else { Intake::Joins };
                let taken = settle(engine, pending, group, answers, fence, state);
                if shared && taken > 0 {
                    slot.joined(batch, fence.node, taken);
                } else if row == BatchRow::Exists {
                    slot.close(engine).await;
                }
                return (Vec::new(), Ok(Ended::Done));
            }
            Ok(Published::CatalogMoved) => {
                if let Err(error) = engine.catalog_changed().await {
                    return (pending, Err(error.into()));
                }
            }
            Ok(Published::Consumed) => return (Vec::new(), Ok(Ended::Done)),
            Ok(Published::KeysBusy(busy)) => return (pending, Ok(Ended::Busy(busy))),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(%error, messages = pending.len(), "a commit is in doubt; it is repeated");
                if engine.0.lease.fence() != Some(fence) || engine.0.stop_now.is_cancelled() {
                    if group.row == BatchRow::Exists {
                        slot.abandon();
                    }
                    return (pending, Err(EngineError::Unavailable));
                }
                (in_doubt, doubted) = (Some(group), true);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(error) => {
                if doubted {
                    slot.abandon();
                }
                return (pending, Err(error.into()));
            }
        }
    }
}
