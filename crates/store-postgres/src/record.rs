//! A flush of outcomes: one statement for first successes, else locks and looks first, then writes.

mod columns;
mod settle;

use std::collections::HashSet;

use posthaste_core::delivery::Next;
use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{AttemptId, DeliveryId, MessageId};
use posthaste_store::queue::{BATCH_SPAN, Exchange, From};
use posthaste_store::{Flush, Recorded, Result, Settled, StoreError};

use crate::PostgresStore;
use crate::accept::{Acceptance, LaneCall, Terms, Waking};
use crate::param::{Param, Uuid};
use crate::rows::{get, target_offset};
use crate::session::{Call, Rows, Session};

use columns::AttemptColumns;
pub(crate) use columns::{ClosedColumns, Keys};
use settle::{DueRow, Locked, Writes};

/// The smallest id that no message of a batch can have.
pub(crate) fn batch_bound(batch: BatchId) -> Uuid {
    // A millisecond more, since ids count whole ones.
    let bound = batch.timestamp() + BATCH_SPAN + std::time::Duration::from_millis(1);
    MessageId::floor_of(bound).into()
}

impl PostgresStore {
    pub(crate) async fn record_flush(&self, node: NodeId, flush: &Flush) -> Result<Recorded> {
        let session = self.recording.take().await?;
        if is_plain(flush)
            && let Some(recorded) = record_successes(&session, node, flush).await?
        {
            return Ok(recorded);
        }
        record_all(&session, node, flush).await
    }
}

/// Whether there is nothing but exchanges that succeeded the first time.
fn is_plain(flush: &Flush) -> bool {
    let first_success = |settled: &Settled| {
        matches!(settled.from, From::Batch(_)) && settled.next == Next::Succeeded && settled.attempt.is_some()
    };
    flush.health.is_empty() && flush.follow.is_empty() && flush.settled.iter().all(first_success)
}

fn batches(flush: &Flush) -> Vec<Uuid> {
    let of = flush.settled.iter().filter_map(|settled| match settled.from {
        From::Batch(batch) => Some(batch),
        From::Due { .. } => None,
    });
    let mut ids: Vec<Uuid> = of.chain(flush.finished.iter().copied()).map(Uuid::from).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// `None`: somebody cancelled something, so it takes the long way.
async fn record_successes(session: &Session, node: NodeId, flush: &Flush) -> Result<Option<Recorded>> {
    let node_id = Uuid::from(node);
    let batches = batches(flush);
    let finished: Vec<Uuid> = flush.finished.iter().copied().map(Uuid::from).collect();
    let attempts = AttemptColumns::new(flush.settled.iter().filter_map(|settled| settled.attempt.as_ref()));
    let mut params: Vec<&dyn Param> = vec![&node_id, &batches, &finished];
    params.extend(attempts.params());
    let rows = session.query(include_str!("../sql/record_successes.sql"), &params).await?;
    let row = rows.first().ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
    let (fenced, clear): (bool, bool) = (get(row, 0)?, get(row, 1)?);
    Ok((fenced && clear).then(Recorded::default))
}

fn exchanges(flush: &Flush) -> impl Iterator<Item = &Exchange> {
    flush.settled.iter().filter_map(|settled| settled.attempt.as_ref())
}

async fn record_all(session: &Session, node: NodeId, flush: &Flush) -> Result<Recorded> {
    let Some(locked) = lock_and_look(session, node, flush).await? else {
        session.roll_back().await?;
        return record_stale(session, flush).await;
    };
    let mut writes = Writes::decide(flush, &locked);
    let follows = new_follows(session, flush, &writes).await?;
    let acceptance = if follows.is_empty() {
        None
    } else {
        let terms = Terms { node, matched: None, batch: None, owner: None };
        let wakes = std::mem::take(&mut writes.wakes);
        Some(Acceptance::new(terms, &follows.iter().map(|follow| &follow.message), Waking::Always, wakes)?)
    };
    let lanes = LaneCall::new(&writes.wakes);
    let finished: Vec<Uuid> = flush.finished.iter().copied().map(Uuid::from).collect();
    let health = columns::HealthColumns::new(&flush.health);
    let mut calls = writes.calls();
    if let Some(acceptance) = &acceptance {
        calls.push(acceptance.call());
    } else if !writes.wakes.is_empty() {
        calls.push(lanes.call());
    }
    if !finished.is_empty() {
        calls.push(Call::Query(include_str!("../sql/finish_batches.sql"), vec![&finished]));
    }
    calls.extend(health.calls());
    if locked.cancelled.is_empty() {
        session.commit(calls).await?;
        return Ok(Recorded::default());
    }
    session.pipeline(calls).await?;
    let cancelled = cancelled_in(session, &locked.cancelled).await?;
    session.commit(Vec::new()).await?;
    Ok(Recorded { cancelled, stale: false })
}

/// Opens the transaction, takes its locks, inserts the attempts, and reads what is already so. `None`: the fence is gone.
async fn lock_and_look(session: &Session, node: NodeId, flush: &Flush) -> Result<Option<Locked>> {
    let node_id = Uuid::from(node);
    let batches = batches(flush);
    let attempts = AttemptColumns::new(exchanges(flush));
    let fence = Some(node_id);
    let mut attempt_params: Vec<&dyn Param> = vec![&fence];
    attempt_params.extend(attempts.params());
    let keys = Keys::new(flush.settled.iter().map(|settled| (settled.endpoint, settled.delivery)));
    let ids: Vec<Uuid> = flush.settled.iter().map(|settled| settled.delivery.into()).collect();
    let last_children: Vec<Uuid> =
        flush.settled.iter().map(|settled| Uuid(settled.delivery.last_child_bits())).collect();
    let targets: Vec<i32> = flush.settled.iter().map(|settled| target_offset(settled.delivery)).collect();
    let messages: Vec<Uuid> = flush.settled.iter().map(|settled| settled.delivery.message().into()).collect();
    let answers = session
        .open(
            "",
            vec![
                Call::Query(include_str!("../sql/fence.sql"), vec![&node_id]),
                Call::Query(include_str!("../sql/lock_batches.sql"), vec![&batches]),
                Call::Query(include_str!("../sql/lock_due.sql"), vec![&keys.endpoint, &keys.id]),
                Call::Query(include_str!("../sql/insert_attempts.sql"), attempt_params),
                Call::Query(include_str!("../sql/ended.sql"), vec![&ids, &last_children, &messages, &targets]),
            ],
        )
        .await?;
    let [fence, batches, due, attempts, ended] = answers.as_slice() else {
        return Err(StoreError::internal("a pipeline was not answered whole"));
    };
    if fence.is_empty() {
        return Ok(None);
    }
    let mut locked = Locked::default();
    for row in batches {
        let batch: BatchId = get::<Uuid>(row, 0)?.id();
        locked.batches.insert(batch);
        if get(row, 1)? {
            locked.cancelled.push(batch);
        }
    }
    for row in due {
        let found = DueRow { attempts: get(row, 1)?, ord: get(row, 2)?, seq: get(row, 3)? };
        locked.due.insert(get::<Uuid>(row, 0)?.id(), found);
    }
    locked.new_attempts = attempt_ids(attempts)?;
    for row in ended {
        let delivery: DeliveryId = get::<Uuid>(row, 0)?.id();
        if get(row, 1)? {
            locked.succeeded.insert(delivery);
        }
        if get(row, 2)? {
            locked.closed.insert(delivery);
        }
        if get(row, 3)? {
            locked.erased.insert(delivery);
        }
    }
    Ok(Some(locked))
}

fn attempt_ids(rows: &Rows) -> Result<HashSet<AttemptId>> {
    rows.iter().map(|row| Ok(get::<Uuid>(row, 0)?.id())).collect()
}

/// Those messages to leave behind whose delivery ends by this flush, and never left one of the kind before.
async fn new_follows<'a>(
    session: &Session,
    flush: &'a Flush,
    writes: &Writes,
) -> Result<Vec<&'a posthaste_store::Follow>> {
    let mut follows: Vec<_> = flush.follow.iter().filter(|follow| writes.newly_failed.contains(&follow.of)).collect();
    if follows.is_empty() {
        return Ok(follows);
    }
    let tenants: Vec<&str> = follows.iter().map(|follow| follow.message.message.tenant.as_str()).collect();
    let kinds: Vec<&str> = follows.iter().map(|follow| follow.kind.uid_kind()).collect();
    let uids: Vec<String> = follows.iter().map(|follow| follow.of.to_string()).collect();
    let ids: Vec<Uuid> = follows.iter().map(|follow| follow.message.message.id.into()).collect();
    let taken = session.query(include_str!("../sql/take_uids.sql"), &[&tenants, &kinds, &uids, &ids]).await?;
    let taken: HashSet<MessageId> = taken.iter().map(|row| Ok(get::<Uuid>(row, 0)?.id())).collect::<Result<_>>()?;
    follows.retain(|follow| taken.contains(&follow.message.message.id));
    Ok(follows)
}

/// Deliveries of these batches that somebody ended.
async fn cancelled_in(session: &Session, batches: &[BatchId]) -> Result<Vec<DeliveryId>> {
    let ids: Vec<Uuid> = batches.iter().copied().map(Uuid::from).collect();
    let bounds: Vec<Uuid> = batches.iter().copied().map(batch_bound).collect();
    let rows = session.query(include_str!("../sql/cancelled_between.sql"), &[&ids, &bounds]).await?;
    let deliveries: Vec<DeliveryId> = rows.iter().map(|row| Ok(get::<Uuid>(row, 0)?.id())).collect::<Result<_>>()?;
    let messages: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.message().into()).collect();
    let rows = session.query(include_str!("../sql/messages_of_batches.sql"), &[&messages, &ids]).await?;
    let messages: HashSet<MessageId> = rows.iter().map(|row| Ok(get::<Uuid>(row, 0)?.id())).collect::<Result<_>>()?;
    Ok(deliveries.into_iter().filter(|delivery| messages.contains(&delivery.message())).collect())
}

/// A node that was taken over writes its successes, nothing else. Both it and the new owner lock the batch, so a success
/// comes before the other's look, or after its writing and takes that away.
async fn record_stale(session: &Session, flush: &Flush) -> Result<Recorded> {
    let successes: Vec<&Settled> = flush.settled.iter().filter(|settled| settled.next == Next::Succeeded).collect();
    let stale = Recorded { cancelled: Vec::new(), stale: true };
    if successes.is_empty() {
        return Ok(stale);
    }
    let batches = batches(flush);
    let attempts = AttemptColumns::new(successes.iter().filter_map(|settled| settled.attempt.as_ref()));
    let unfenced: Option<Uuid> = None;
    let mut attempt_params: Vec<&dyn Param> = vec![&unfenced];
    attempt_params.extend(attempts.params());
    let keys = Keys::new(successes.iter().map(|settled| (settled.endpoint, settled.delivery)));
    let answers = session
        .open(
            "",
            vec![
                Call::Query(include_str!("../sql/lock_batches.sql"), vec![&batches]),
                Call::Query(include_str!("../sql/lock_due.sql"), vec![&keys.endpoint, &keys.id]),
                Call::Query(include_str!("../sql/insert_attempts.sql"), attempt_params),
            ],
        )
        .await?;
    let new = attempt_ids(answers.last().map_or(&Vec::new(), |rows| rows))?;
    let newly = successes
        .iter()
        .filter(|settled| settled.attempt.as_ref().is_some_and(|exchange| new.contains(&exchange.attempt.id)));
    let keys = Keys::new(newly.map(|settled| (settled.endpoint, settled.delivery)));
    session
        .commit(vec![
            Call::Query(include_str!("../sql/delete_due.sql"), vec![&keys.endpoint, &keys.id]),
            Call::Query(include_str!("../sql/delete_closed.sql"), vec![&keys.id]),
        ])
        .await?;
    Ok(stale)
}
