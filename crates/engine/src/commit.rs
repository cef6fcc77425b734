//! The group commit: all that is queued goes into one transaction, without lingering.
//!
//! While one group commits, the next gathers behind it; under load groups grow, at rest each message goes at once. What
//! is committed as ours goes straight to the dispatcher, from memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posthaste_core::delivery::Progress;
use posthaste_core::filter::Payload;
use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Message, MessageId, Target, Tenant, Timestamp, TopicName, WaitingFor};
use posthaste_store::queue::{BatchRow, From, IdempotencyKey, Owner, Wait};
use posthaste_store::{Accepted, CatalogVersion, Group, NewMessage, Published, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::Engine;
use crate::addressing::{Addressing, Subject};
use crate::catalog::{EndpointView, TenantView};
use crate::dispatch::lane::Job;
use crate::error::{EngineError, Result};
use crate::ingest::{Receipt, collide};

/// The most targets of one group; a message with more has a committer of its own.
pub const GROUP_TARGETS: usize = 500;
/// The most payload bytes of one group, beyond its first message.
const GROUP_BYTES: usize = 1 << 20;
/// How many messages may wait for a commit; then publishers are told that the queue is full.
pub const QUEUE: usize = 8_192;
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

/// Gathers groups and commits them, `width` at a time.
pub async fn run(engine: Engine, mut queue: mpsc::Receiver<Pending>, width: usize) {
    let slots = Arc::new(Semaphore::new(width));
    let mut carried: Option<Pending> = None;
    loop {
        let first = match carried.take() {
            Some(pending) => pending,
            None => match queue.recv().await {
                Some(pending) => pending,
                None => return,
            },
        };
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let mut group = vec![first];
        carried = gather(&mut group, &mut queue);
        let committing = engine.clone();
        engine.0.tracker.spawn(async move { commit(committing, group, slot).await });
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

/// Commits one group to its end: committed, refused, or the lease lost.
async fn commit(engine: Engine, group: Vec<Pending>, _slot: OwnedSemaphorePermit) {
    let mut work = vec![group];
    let mut tries = 0;
    while let Some(group) = work.pop() {
        let (group, answer) = attempt(&engine, group).await;
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
                let free: Vec<_> = free.into_iter().map(|(_, pending)| pending).collect();
                if !free.is_empty() {
                    work.push(free);
                }
            }
            // One bad row must not take its neighbours with it.
            Err(EngineError::Internal(_)) if group.len() > 1 => {
                work.extend(group.into_iter().map(|pending| vec![pending]));
            }
            Err(error) => refuse(group, &error),
        }
    }
}

enum Ended {
    Done,
    Busy(Vec<usize>),
}

/// Tries one group until the store says what became of it. Ids are minted once: a repeated call is the same commit.
async fn attempt(engine: &Engine, mut pending: Vec<Pending>) -> (Vec<Pending>, Result<Ended>) {
    let Some(fence) = engine.0.lease.fence() else { return (pending, Err(EngineError::Unavailable)) };
    let now = engine.0.clock.now();
    let ids: Vec<MessageId> = {
        let mut mint = engine.0.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pending.iter().map(|_| mint.mint(now)).collect()
    };
    let mut pause = Duration::from_millis(20);
    // A group whose COMMIT is in doubt is repeated exactly as it was: made anew it might place a target elsewhere than
    // the commit that landed did.
    let mut in_doubt: Option<Group> = None;
    loop {
        let group = match in_doubt.take() {
            Some(group) => group,
            None => {
                pending = match rematch(engine, pending, engine.0.catalog.version()).await {
                    Ok(matched) if matched.is_empty() => return (matched, Ok(Ended::Done)),
                    Ok(matched) => matched,
                    Err((pending, error)) => return (pending, Err(error)),
                };
                build(engine, &pending, &ids)
            }
        };
        match engine.0.store.publish(fence.node, &group).await {
            Ok(Published::Committed(answers)) => {
                settle(engine, pending, group, answers);
                return (Vec::new(), Ok(Ended::Done));
            }
            Ok(Published::CatalogMoved) => {
                if let Err(error) = engine.0.catalog.refresh().await {
                    return (pending, Err(error.into()));
                }
            }
            Ok(Published::Consumed) => return (Vec::new(), Ok(Ended::Done)),
            Ok(Published::KeysBusy(busy)) => return (pending, Ok(Ended::Busy(busy))),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(%error, messages = pending.len(), "a commit is in doubt; it is repeated");
                in_doubt = Some(group);
                if engine.0.lease.fence() != Some(fence) || engine.0.stop_now.is_cancelled() {
                    return (pending, Err(EngineError::Unavailable));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(error) => return (pending, Err(error.into())),
        }
    }
}

/// Matches again what was matched with another version; what no longer can be accepted is answered and left out.
async fn rematch(
    engine: &Engine,
    pending: Vec<Pending>,
    version: CatalogVersion,
) -> std::result::Result<Vec<Pending>, (Vec<Pending>, EngineError)> {
    if pending.iter().all(|one| one.matched == version) {
        return Ok(pending);
    }
    let mut matched = Vec::with_capacity(pending.len());
    let mut rest = pending.into_iter();
    while let Some(mut one) = rest.next() {
        if one.matched != version {
            match engine.0.catalog.view(&one.tenant).await {
                Ok((view, valid_at)) => match one.targets_in(&view) {
                    Ok(targets) => (one.targets, one.matched) = (targets, valid_at),
                    Err(error) => {
                        answer_one(one, Err(error));
                        continue;
                    }
                },
                Err(error) => {
                    matched.push(one);
                    matched.extend(rest);
                    return Err((matched, error.into()));
                }
            }
        }
        matched.push(one);
    }
    Ok(matched)
}

fn build(engine: &Engine, pending: &[Pending], ids: &[MessageId]) -> Group {
    let now = engine.0.clock.now();
    let batch = BatchId::from_bits(ids.first().map_or(0, |id| id.bits()));
    let messages = pending.iter().zip(ids).map(|(one, id)| new_message(engine, one, *id, batch, now)).collect();
    let owner = if engine.0.dispatch.has_room() { Owner::Publisher } else { Owner::Nobody };
    let matched = pending.iter().map(|one| one.matched).min().unwrap_or_default();
    Group { batch, row: BatchRow::Insert, consumes: Vec::new(), owner, matched, messages }
}

fn new_message(engine: &Engine, one: &Pending, id: MessageId, batch: BatchId, now: Timestamp) -> NewMessage {
    let targets: Vec<Target> = one.targets.iter().map(|view| view.target()).collect();
    let mut waits = Vec::new();
    for (position, view) in (1u32..).zip(&one.targets) {
        let wait = if one.deliver_at.is_some_and(|at| at > now) {
            one.deliver_at.map(|at| (at, WaitingFor::Schedule))
        } else if view.endpoint.state.sends() {
            engine.0.dispatch.blocked(view.endpoint.id, now)
        } else {
            Some((now, WaitingFor::EndpointPaused))
        };
        if let Some((due_at, waiting_for)) = wait {
            waits.push(Wait { position, due_at, waiting_for, order: 0 });
        }
    }
    let message = Message {
        id,
        tenant: one.tenant.clone(),
        topic: one.topic.clone(),
        content_type: one.content_type.clone(),
        targets,
        batch,
        deliver_at: one.deliver_at,
        extras: one.extras.clone(),
    };
    let idempotency = one.idempotency.clone();
    NewMessage { message: Arc::new(message), payload: one.payload.clone(), idempotency, waits }
}

/// Hands what was committed to the dispatcher, then answers the publishers.
fn settle(engine: &Engine, pending: Vec<Pending>, group: Group, answers: Vec<Accepted>) {
    let now = engine.0.clock.now();
    if group.owner == Owner::Publisher {
        dispatch(engine, &pending, &group, &answers, now);
    } else {
        engine.0.unclaimed.notify_one();
    }
    if group.messages.iter().any(|new| !new.waits.is_empty()) {
        let due = group.messages.iter().flat_map(|new| &new.waits).map(|wait| wait.due_at).min();
        engine.0.drain_hint.by(due.unwrap_or(now));
    }
    for ((one, new), answer) in pending.into_iter().zip(group.messages).zip(answers) {
        let receipt = receipt(&one, &new.message, answer);
        if receipt.as_ref().is_ok_and(|receipt| !receipt.duplicate) {
            engine.0.metrics.accepted.inc();
        }
        answer_one(one, receipt);
    }
}

fn dispatch(engine: &Engine, pending: &[Pending], group: &Group, answers: &[Accepted], now: Timestamp) {
    let mut jobs = Vec::new();
    let mut windows = Vec::new();
    for ((one, new), answer) in pending.iter().zip(&group.messages).zip(answers) {
        if *answer != Accepted::New {
            continue;
        }
        let mut waits = new.waits.iter().map(|wait| wait.position).peekable();
        for (position, view) in (1u32..).zip(&one.targets) {
            if waits.next_if_eq(&position).is_some() {
                continue;
            }
            windows.push(view.endpoint.settings.max_in_flight);
            jobs.push(Job {
                delivery: new.message.id.delivery(position),
                endpoint: view.endpoint.id,
                message: new.message.clone(),
                payload: Some(new.payload.clone()),
                from: From::Batch(group.batch),
                progress: Progress::default(),
            });
        }
    }
    engine.0.dispatch.add_batch(group.batch, jobs.into_iter().zip(windows).collect(), now);
    engine.pump();
}

fn receipt(one: &Pending, message: &Message, answer: Accepted) -> Result<Receipt> {
    let deliveries = u32::try_from(message.targets.len()).ok();
    let accepted =
        |id, topic, deliveries, duplicate| Ok(Receipt { id, tenant: one.tenant.clone(), topic, deliveries, duplicate });
    match answer {
        Accepted::New => accepted(message.id, one.topic.clone(), deliveries, false),
        Accepted::Duplicate { original, same_request: true, topic, deliveries } => {
            accepted(original, topic, deliveries, true)
        }
        Accepted::Duplicate { original, .. } => Err(EngineError::invalid(
            "/idempotency_key",
            format!("this key was used for another request, which became {original}: use a new key"),
        )),
        Accepted::UidTaken(other) => Err(EngineError::Conflict {
            code: "uid_taken",
            detail: format!("this uid is taken by {other}: use another, or an idempotency_key to repeat a publish"),
        }),
    }
}

fn refuse(group: Vec<Pending>, error: &EngineError) {
    for pending in group {
        let error = match error {
            EngineError::Internal(detail) => EngineError::Internal(detail.clone()),
            _ => EngineError::Unavailable,
        };
        answer_one(pending, Err(error));
    }
}

fn answer_one(pending: Pending, answer: Result<Receipt>) {
    // A publisher that has gone away hears nothing; its message is committed all the same.
    let _ = pending.reply.send(answer);
}

fn key_in_progress() -> EngineError {
    EngineError::Conflict {
        code: "idempotency_key_in_progress",
        detail: "the first request with this idempotency key is still under way: repeat this one later".to_owned(),
    }
}
