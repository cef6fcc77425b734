//! Writing what happened to deliveries.

use std::collections::{BTreeSet, HashSet};

use posthaste_core::delivery::{Closed, Due, Next, Progress};
use posthaste_core::endpoint::OnFailed;
use posthaste_core::id::{BatchId, NodeId};
use posthaste_core::{Attempt, DeliveryId, DeliveryStatus, EndpointId, Id, Lane, Outcome, Tenant, Timestamp};
use posthaste_store::queue::{Exchange, Follow, From, Health, Settled};
use posthaste_store::{Flush, Recorded};
use rusqlite::{Connection, OptionalExtension, params};

use crate::accept;
use crate::capture;
use crate::coordination::fence;
use crate::fault::Fault;
use crate::lanes::{self, Wakes};
use crate::place;

/// An attempt that began this long after its message was accepted has its capture noted by itself: the sweep that lets
/// go of captures walks by id.
pub(crate) const LATE_MICROS: i64 = 86_400_000_000;

/// A flush made ready for the writer: what is costly to copy or encode is done before, beside it.
pub(crate) struct Work {
    entries: Vec<Entry>,
    finished: Vec<BatchId>,
    health: Vec<Health>,
    follow: Vec<Follow>,
}

struct Entry {
    delivery: DeliveryId,
    endpoint: EndpointId,
    tenant: Tenant,
    from: From,
    attempt: Option<(Attempt, Option<Vec<u8>>)>,
    next: Next,
    progress: Progress,
    on_failed: OnFailed,
    at: Timestamp,
}

impl Work {
    pub(crate) fn of(flush: &Flush) -> Self {
        Self {
            entries: flush.settled.iter().map(Entry::of).collect(),
            finished: flush.finished.clone(),
            health: flush.health.clone(),
            follow: flush.follow.clone(),
        }
    }
}

impl Entry {
    fn of(settled: &Settled) -> Self {
        let packed = |exchange: &Exchange| (exchange.attempt.clone(), exchange.capture.as_ref().map(capture::pack));
        Self {
            delivery: settled.delivery,
            endpoint: settled.endpoint,
            tenant: settled.tenant.clone(),
            from: settled.from,
            attempt: settled.attempt.as_ref().map(packed),
            next: settled.next.clone(),
            progress: settled.progress.clone(),
            on_failed: settled.on_failed,
            at: settled.at,
        }
    }

    fn due(&self, due_at: Timestamp, waiting_for: posthaste_core::WaitingFor) -> Due {
        Due {
            delivery: self.delivery,
            endpoint: self.endpoint,
            tenant: self.tenant.clone(),
            due_at,
            waiting_for,
            progress: self.progress.clone(),
            order: 0,
            seq: 0,
            sending_by: None,
        }
    }

    fn closed(&self, status: DeliveryStatus, reason: posthaste_core::CloseReason) -> Closed {
        Closed {
            delivery: self.delivery,
            endpoint: self.endpoint,
            tenant: self.tenant.clone(),
            status,
            reason,
            at: self.at,
            progress: self.progress.clone(),
        }
    }
}

pub(crate) fn record(connection: &Connection, node: NodeId, work: &Work) -> Result<Recorded, Fault> {
    let alive = fence(connection, node)?;
    let mut wakes = Wakes::default();
    let mut failed = HashSet::new();
    for entry in &work.entries {
        if alive || entry.next == Next::Succeeded {
            settle(connection, entry, &mut wakes, &mut failed)?;
        }
    }
    if !alive {
        return Ok(Recorded { cancelled: Vec::new(), stale: true });
    }
    for follow in work.follow.iter().filter(|follow| failed.contains(&follow.of)) {
        leave_behind(connection, follow, &mut wakes)?;
    }
    wakes.write(connection)?;
    let cancelled = cancelled(connection, work)?;
    let mut finish = connection.prepare_cached(sql!("record/finish"))?;
    for batch in &work.finished {
        finish.execute([batch.to_bytes()])?;
    }
    health(connection, &work.health)?;
    Ok(Recorded { cancelled, stale: false })
}

/// Writes one delivery's news. What follows from an attempt hangs on its row being new.
fn settle(
    connection: &Connection,
    entry: &Entry,
    wakes: &mut Wakes,
    failed: &mut HashSet<DeliveryId>,
) -> Result<(), Fault> {
    if let Some((attempt, capture)) = &entry.attempt
        && !insert_attempt(connection, attempt, capture.as_deref())?
    {
        return Ok(());
    }
    match (&entry.next, entry.from) {
        (Next::Succeeded, _) => succeed(connection, entry),
        (Next::Wait { due_at, waiting_for }, From::Batch(batch)) => {
            if may_place(connection, entry, batch)? {
                place::put_due(connection, &entry.due(*due_at, *waiting_for))?;
                wakes.add(Lane::unordered(entry.endpoint), &entry.tenant, *due_at);
            }
            Ok(())
        }
        (Next::Wait { due_at, waiting_for }, From::Due { attempts }) => {
            let mut wait = connection.prepare_cached(sql!("due/wait"))?;
            let order = wait.query_row(
                params![
                    entry.delivery.to_bytes(),
                    attempts,
                    due_at.as_micros(),
                    waiting_for.code(),
                    entry.progress.attempts,
                    entry.progress.failures,
                    entry.progress.last_status_code,
                    entry.progress.last_error,
                ],
                |row| row.get(0),
            );
            if let Some(order) = order.optional()? {
                wakes.add(Lane { endpoint: entry.endpoint, order }, &entry.tenant, *due_at);
            }
            Ok(())
        }
        (Next::Close { status, reason }, From::Batch(batch)) => {
            if may_place(connection, entry, batch)? {
                place::close(connection, &entry.closed(*status, *reason), 0, 0)?;
                note_failed(entry, *status, failed);
            }
            Ok(())
        }
        (Next::Close { status, reason }, From::Due { attempts }) => {
            let mut take = connection.prepare_cached(sql!("due/take"))?;
            let taken = take
                .query_row(params![entry.delivery.to_bytes(), attempts], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            let Some((order, seq)) = taken else { return Ok(()) };
            let lane = Lane { endpoint: entry.endpoint, order };
            // A retry by request of a delivery that had succeeded: it goes back to having succeeded.
            if !place::succeeded(connection, entry.delivery)? {
                place::close(connection, &entry.closed(*status, *reason), order, seq)?;
                note_failed(entry, *status, failed);
                if *status == DeliveryStatus::Failed && entry.on_failed == OnFailed::Hold && lane.is_ordered() {
                    return lanes::hold(connection, lane);
                }
            }
            lanes::forward(connection, lane, entry.at)
        }
    }
}

fn note_failed(entry: &Entry, status: DeliveryStatus, failed: &mut HashSet<DeliveryId>) {
    if status == DeliveryStatus::Failed {
        failed.insert(entry.delivery);
    }
}

fn insert_attempt(connection: &Connection, attempt: &Attempt, capture: Option<&[u8]>) -> Result<bool, Fault> {
    let rows = connection.prepare_cached(sql!("record/attempt"))?.execute(params![
        attempt.id.to_bytes(),
        attempt.endpoint.to_bytes(),
        attempt.outcome == Outcome::Succeeded,
        attempt.endpoint_revision,
        attempt.number,
        attempt.at.as_micros(),
        i64::try_from(attempt.duration_micros).unwrap_or(i64::MAX),
        attempt.outcome.code(),
        attempt.status_code,
        attempt.error,
        capture,
    ])?;
    let accepted = attempt.id.timestamp().as_micros();
    if rows == 1 && capture.is_some() && attempt.at.as_micros().saturating_sub(accepted) > LATE_MICROS {
        let mut late = connection.prepare_cached(sql!("record/late_capture"))?;
        late.execute(params![attempt.at.as_micros(), attempt.id.to_bytes()])?;
    }
    Ok(rows == 1)
}

/// A success wins over whatever was decided meanwhile.
fn succeed(connection: &Connection, entry: &Entry) -> Result<(), Fault> {
    let mut delete = connection.prepare_cached(sql!("due/delete"))?;
    let left: Option<([u8; 16], i64)> =
        delete.query_row([entry.delivery.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((endpoint, order)) = left {
        lanes::forward(connection, Lane { endpoint: Id::from_bytes(endpoint), order }, entry.at)?;
    }
    connection.prepare_cached(sql!("closed/delete"))?.execute([entry.delivery.to_bytes()])?;
    Ok(())
}

/// Whether a failure or a move out of a batch is still news: nothing else has become of the delivery, and it was not
/// erased. A move has no attempt to tell a repeat by, so it also hangs on its batch.
fn may_place(connection: &Connection, entry: &Entry, batch: BatchId) -> Result<bool, Fault> {
    if entry.attempt.is_none() && !connection.prepare_cached(sql!("place/batch"))?.exists([batch.to_bytes()])? {
        return Ok(false);
    }
    Ok(!place::left_batch(connection, entry.delivery)?
        && accept::is_present(connection, entry.delivery.message())?
        && !connection.prepare_cached(sql!("place/erased"))?.exists([entry.delivery.to_bytes()])?)
}

/// Publishes what a failed delivery leaves behind, once.
fn leave_behind(connection: &Connection, follow: &Follow, wakes: &mut Wakes) -> Result<(), Fault> {
    let message = &follow.message.message;
    let uid = follow.of.to_string();
    let kind = follow.kind.uid_kind();
    if accept::take_uid(connection, message.tenant.as_str(), kind, &uid, message.id.to_bytes())? {
        accept::insert(connection, &follow.message, wakes)?;
    }
    Ok(())
}

/// What somebody cancelled in the flush's batches.
fn cancelled(connection: &Connection, work: &Work) -> Result<Vec<DeliveryId>, Fault> {
    let batches: BTreeSet<BatchId> = work
        .entries
        .iter()
        .filter_map(|entry| match entry.from {
            From::Batch(batch) => Some(batch),
            From::Due { .. } => None,
        })
        .collect();
    let mut flag = connection.prepare_cached(sql!("record/batch"))?;
    let mut cancelled = Vec::new();
    for batch in batches {
        if flag.query_row([batch.to_bytes()], |row| row.get(0)).optional()? == Some(true) {
            cancelled.append(&mut cancelled_in(connection, batch)?);
        }
    }
    Ok(cancelled)
}

fn cancelled_in(connection: &Connection, batch: BatchId) -> Result<Vec<DeliveryId>, Fault> {
    let mut statement = connection.prepare_cached(sql!("record/cancelled"))?;
    let mut rows = statement.query(accept::batch_range(batch))?;
    let mut cancelled = Vec::new();
    while let Some(row) = rows.next()? {
        let delivery: DeliveryId = crate::rows::id(row, 0)?;
        if accept::message(connection, delivery.message())?.is_some_and(|message| message.batch == batch) {
            cancelled.push(delivery);
        }
    }
    Ok(cancelled)
}

fn health(connection: &Connection, changes: &[Health]) -> Result<(), Fault> {
    for health in changes {
        match health.failing_since {
            Some(since) => connection
                .prepare_cached(sql!("record/failing"))?
                .execute(params![health.endpoint.to_bytes(), since.as_micros()])?,
            None => connection.prepare_cached(sql!("record/healthy"))?.execute([health.endpoint.to_bytes()])?,
        };
    }
    Ok(())
}
