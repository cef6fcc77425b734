//! What people do to single deliveries: cancelling, and retrying.

use posthaste_core::delivery::{Closed, Delivery, Due, Placement, Progress};
use posthaste_core::{CloseReason, DeliveryId, DeliveryStatus, Lane, Message, MessageId, Timestamp, WaitingFor};
use posthaste_store::{Conflict, StoreError};
use rusqlite::{Connection, params};

use crate::accept;
use crate::expiry;
use crate::fault::Fault;
use crate::lanes::{self, Wakes};
use crate::place;

fn found(connection: &Connection, id: DeliveryId) -> Result<(Message, Delivery), Fault> {
    let message = accept::message(connection, id.message())?.ok_or(StoreError::NotFound)?;
    let delivery = place::delivery(connection, id, &message)?.ok_or(StoreError::NotFound)?;
    Ok((message, delivery))
}

pub(crate) fn cancel(connection: &Connection, id: DeliveryId, now: Timestamp) -> Result<Closed, Fault> {
    let (message, delivery) = found(connection, id)?;
    end(connection, &message, &delivery, CloseReason::ByRequest, now)?.ok_or_else(|| Conflict::WrongState.into())
}

pub(crate) fn cancel_message(connection: &Connection, id: MessageId, now: Timestamp) -> Result<Vec<DeliveryId>, Fault> {
    let message = accept::message(connection, id)?.ok_or(StoreError::NotFound)?;
    let mut cancelled = Vec::new();
    for (id, _) in message.deliveries() {
        if let Some(delivery) = place::delivery(connection, id, &message)?
            && end(connection, &message, &delivery, CloseReason::ByRequest, now)?.is_some()
        {
            cancelled.push(id);
        }
    }
    Ok(cancelled)
}

/// Ends a delivery if it is pending.
pub(crate) fn end(
    connection: &Connection,
    message: &Message,
    delivery: &Delivery,
    reason: CloseReason,
    now: Timestamp,
) -> Result<Option<Closed>, Fault> {
    let closed = |progress: Progress| Closed {
        delivery: delivery.id,
        endpoint: delivery.endpoint,
        tenant: delivery.tenant.clone(),
        status: DeliveryStatus::Cancelled,
        reason,
        at: now,
        progress,
    };
    match &delivery.placement {
        Placement::Due(due) => {
            let closed = closed(due.progress.clone());
            connection.prepare_cached(sql!("due/delete"))?.exists([delivery.id.to_bytes()])?;
            // A retry by request of one that had succeeded: it has succeeded, again.
            if !place::succeeded(connection, delivery.id)? {
                place::close(connection, &closed, due.order, due.seq)?;
            }
            lanes::forward(connection, due.lane(), now)?;
            Ok(Some(closed))
        }
        Placement::Batch => {
            let closed = closed(Progress::default());
            place::close(connection, &closed, 0, 0)?;
            connection.prepare_cached(sql!("cancel/flag"))?.execute([message.batch.to_bytes()])?;
            Ok(Some(closed))
        }
        Placement::Succeeded { .. } | Placement::Closed(_) | Placement::Missing => Ok(None),
    }
}

/// Whether a retry did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retried {
    /// The delivery waits in `due` for now.
    Yes,
    /// It is on its way already.
    OnItsWay,
}

pub(crate) fn retry_delivery(connection: &Connection, id: DeliveryId, now: Timestamp) -> Result<Delivery, Fault> {
    let mut wakes = Wakes::default();
    retry(connection, id, now, &mut wakes)?;
    wakes.write(connection)?;
    let (_, delivery) = found(connection, id)?;
    Ok(delivery)
}

/// Puts a delivery back into `due`. The payload lies in the message's row, so a delivery that is found has one.
pub(crate) fn retry(
    connection: &Connection,
    id: DeliveryId,
    now: Timestamp,
    wakes: &mut Wakes,
) -> Result<Retried, Fault> {
    let (message, delivery) = found(connection, id)?;
    let fresh = |progress: Progress, order: i64, seq: i64| Due {
        delivery: id,
        endpoint: delivery.endpoint,
        tenant: delivery.tenant.clone(),
        due_at: now,
        waiting_for: WaitingFor::Retry,
        progress: Progress { failures: 0, ..progress },
        order,
        seq,
        sending_by: None,
    };
    let lane = match &delivery.placement {
        Placement::Batch => return Ok(Retried::OnItsWay),
        Placement::Due(due) => {
            let mut forward = connection.prepare_cached(sql!("due/forward"))?;
            forward.execute(params![id.to_bytes(), now.as_micros(), WaitingFor::Retry.code()])?;
            due.lane()
        }
        Placement::Closed(closed) if closed.status == DeliveryStatus::Failed => {
            let row = place::closed(connection, id)?.ok_or(Conflict::WrongState)?;
            connection.prepare_cached(sql!("closed/delete"))?.execute([id.to_bytes()])?;
            let due = fresh(row.closed.progress, row.order, row.seq);
            place::put_due(connection, &due)?;
            if due.lane().is_ordered() {
                lanes::unhold(connection, due.lane())?;
            }
            due.lane()
        }
        Placement::Succeeded { number, status_code, .. } => {
            let attempts = place::attempts(connection, id)?.max(*number);
            let progress = Progress { attempts, last_status_code: *status_code, ..Progress::default() };
            place::put_due(connection, &fresh(progress, 0, 0))?;
            Lane::unordered(delivery.endpoint)
        }
        Placement::Closed(_) | Placement::Missing => return Err(Conflict::WrongState.into()),
    };
    wakes.add(lane, &delivery.tenant, now);
    if let Some(at) = message.extras.expires_at {
        // It was perhaps looked at already when it expired.
        expiry::note(connection, message.id, &message.tenant, at)?;
    }
    Ok(Retried::Yes)
}
