//! Beginning again, by request.

use posthaste_core::delivery::{Due, Placement, Progress};
use posthaste_core::{Delivery, DeliveryId, DeliveryStatus, Lane, Message, Target, Timestamp, WaitingFor};
use posthaste_store::{Conflict, Result, StoreError};

use crate::PostgresStore;
use crate::cancel::stored_message;
use crate::param::{Uuid, count, stored};
use crate::place::{Found, Wanted};
use crate::rows::get;
use crate::session::{Call, Session};

impl PostgresStore {
    pub(crate) async fn retry_one(&self, id: DeliveryId, now: Timestamp) -> Result<Delivery> {
        let session = self.working.take().await?;
        // The horizon in share: retention has not yet decided about this message, or has already.
        session.open("", vec![Call::Query(include_str!("../sql/horizon_shared.sql"), Vec::new())]).await?;
        let retried = retry(&session, id, now).await;
        match retried {
            Ok(delivery) => session.commit(Vec::new()).await.map(|_| delivery),
            Err(error) => {
                session.roll_back().await?;
                Err(error)
            }
        }
    }
}

/// Puts a delivery back into `due`, inside a transaction that holds the horizon.
pub(crate) async fn retry(session: &Session, id: DeliveryId, now: Timestamp) -> Result<Delivery> {
    let message = stored_message(session, id.message()).await?.ok_or(StoreError::NotFound)?;
    let target = message.target(id).filter(|target| target.endpoint.bits() != 0).ok_or(StoreError::NotFound)?;
    let mut wanted = Wanted::default();
    wanted.push(id, target, message.batch);
    let (endpoint, delivery) = (Uuid::from(target.endpoint), Uuid::from(id));
    let (endpoints, deliveries) = (vec![endpoint], vec![delivery]);
    let message_id = Uuid::from(message.id);
    let answers = session
        .pipeline(vec![
            Call::Query(include_str!("../sql/lock_due.sql"), vec![&endpoints, &deliveries]),
            Call::Query(include_str!("../sql/lock_closed.sql"), vec![&delivery]),
            wanted.call(),
            Call::Query("SELECT FROM posthaste.payload WHERE id = $1", vec![&message_id]),
        ])
        .await?;
    let [_, _, found, payload] = answers.as_slice() else {
        return Err(StoreError::internal("a pipeline was not answered whole"));
    };
    let found = found.first().map(Found::read).transpose()?;
    let found = found.ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
    if payload.is_empty() && !(found.is_left() && found.in_batch) {
        return Err(Conflict::WrongState.into());
    }
    let placement = match begin_again(session, &message, target, found, now).await? {
        Begun::Due(due) => {
            place(session, &due).await?;
            if let Some(at) = message.extras.expires_at {
                // It was perhaps looked at already when it expired.
                let (at, tenant) = (at.as_micros(), message.tenant.as_str());
                session.query(include_str!("../sql/insert_expiring.sql"), &[&at, &message_id, &tenant]).await?;
            }
            Placement::Due(due)
        }
        Begun::Unchanged(placement) => placement,
    };
    Ok(Delivery {
        id,
        endpoint: target.endpoint,
        endpoint_revision: target.revision,
        tenant: message.tenant.clone(),
        topic: message.topic.clone(),
        deliver_at: message.deliver_at,
        placement,
    })
}

enum Begun {
    Due(Due),
    Unchanged(Placement),
}

async fn begin_again(
    session: &Session,
    message: &Message,
    target: Target,
    found: Found,
    now: Timestamp,
) -> Result<Begun> {
    let fresh = |progress: Progress, order, seq| Due {
        delivery: found.delivery,
        endpoint: target.endpoint,
        tenant: message.tenant.clone(),
        due_at: now,
        waiting_for: WaitingFor::Retry,
        progress: Progress { failures: 0, ..progress },
        order,
        seq,
        sending_by: None,
    };
    if let Some(due) = found.due.clone() {
        let due_at = now.min(due.due_at);
        return Ok(Begun::Due(Due { due_at, sending_by: due.sending_by, ..fresh(due.progress, due.order, due.seq) }));
    }
    if found.succeeded.is_some() {
        // Numbers go on after the last exchange, whichever that was.
        let last = Uuid(found.delivery.last_child_bits());
        let rows =
            session.query(include_str!("../sql/last_attempt.sql"), &[&Uuid::from(found.delivery), &last]).await?;
        let attempts = rows.first().map_or(Ok(0), |row| get::<i32>(row, 0))?;
        return Ok(Begun::Due(fresh(Progress { attempts: count(attempts), ..Progress::default() }, 0, 0)));
    }
    match &found.closed {
        Some(closed) if closed.status == DeliveryStatus::Failed => {
            let (order, seq) = found.closed_place;
            Ok(Begun::Due(fresh(closed.progress.clone(), order, seq)))
        }
        Some(_) => Err(Conflict::WrongState.into()),
        None if found.in_batch => Ok(Begun::Unchanged(Placement::Batch)),
        None => Ok(Begun::Unchanged(Placement::Missing)),
    }
}

/// Writes the row, takes the end away, and lets the lane go on.
async fn place(session: &Session, due: &Due) -> Result<()> {
    let lane: Lane = due.lane();
    let ids = vec![Uuid::from(due.delivery)];
    let last_status = due.progress.last_status_code.map(i32::from);
    let (id, endpoint, due_at) = (Uuid::from(due.delivery), Uuid::from(due.endpoint), due.due_at.as_micros());
    let (attempts, waiting_for, tenant) = (stored(due.progress.attempts), due.waiting_for.code(), due.tenant.as_str());
    let (ord, seq, shard) = (due.order, due.seq, i16::from(lane.endpoint.shard()));
    session
        .pipeline(vec![
            Call::Query(include_str!("../sql/delete_closed.sql"), vec![&ids]),
            Call::Query(
                include_str!("../sql/retry_due.sql"),
                vec![
                    &id,
                    &endpoint,
                    &due_at,
                    &ord,
                    &seq,
                    &attempts,
                    &last_status,
                    &waiting_for,
                    &tenant,
                    &due.progress.last_error,
                ],
            ),
            Call::Query(include_str!("../sql/release_lane.sql"), vec![&endpoint, &ord, &shard, &tenant, &due_at]),
        ])
        .await?;
    Ok(())
}
