//! Ending what is pending: by request, or because its time is over.

use std::collections::HashSet;

use posthaste_core::delivery::{Closed, Progress};
use posthaste_core::{
    CloseReason, DeliveryId, DeliveryStatus, EndpointId, Lane, Message, MessageId, Tenant, Timestamp,
};
use posthaste_store::{Conflict, Result, StoreError};

use crate::PostgresStore;
use crate::accept::{LaneCall, Wakes};
use crate::param::Uuid;
use crate::place::{Found, Wanted};
use crate::record::{ClosedColumns, Keys};
use crate::rows::message;
use crate::session::{Call, Session};

const BY_REQUEST: CloseReason = CloseReason::ByRequest;

impl PostgresStore {
    pub(crate) async fn cancel_one(&self, id: DeliveryId, now: Timestamp) -> Result<Closed> {
        let session = self.working.take().await?;
        let message = stored_message(&session, id.message()).await?.ok_or(StoreError::NotFound)?;
        let target = message.target(id).filter(|target| target.endpoint.bits() != 0).ok_or(StoreError::NotFound)?;
        let ended = cancel(&session, &message, &[(id, target.endpoint)], BY_REQUEST, now).await?;
        ended.into_iter().next().ok_or_else(|| Conflict::WrongState.into())
    }

    pub(crate) async fn cancel_all(&self, id: MessageId, now: Timestamp) -> Result<Vec<DeliveryId>> {
        let session = self.working.take().await?;
        let message = stored_message(&session, id).await?.ok_or(StoreError::NotFound)?;
        let all: Vec<(DeliveryId, EndpointId)> = message
            .deliveries()
            .filter(|(_, target)| target.endpoint.bits() != 0)
            .map(|(delivery, target)| (delivery, target.endpoint))
            .collect();
        let ended = cancel(&session, &message, &all, BY_REQUEST, now).await?;
        Ok(ended.into_iter().map(|closed| closed.delivery).collect())
    }
}

/// One message.
pub(crate) async fn stored_message(session: &Session, id: MessageId) -> Result<Option<Message>> {
    let rows = session.query(include_str!("../sql/message.sql"), &[&Uuid::from(id)]).await?;
    rows.first().map(|row| message(row, 0)).transpose()
}

/// Ends those of these deliveries that are pending. The batch is locked first: a flush of its owner comes before, and its
/// successes are seen, or after, and sees the flag.
pub(crate) async fn cancel(
    session: &Session,
    message: &Message,
    deliveries: &[(DeliveryId, EndpointId)],
    reason: CloseReason,
    now: Timestamp,
) -> Result<Vec<Closed>> {
    let batch: Vec<Uuid> = vec![message.batch.into()];
    let keys = Keys::new(deliveries.iter().map(|(delivery, endpoint)| (*endpoint, *delivery)));
    let mut wanted = Wanted::default();
    for (delivery, _) in deliveries {
        if let Some(target) = message.target(*delivery) {
            wanted.push(*delivery, target, message.batch);
        }
    }
    let answers = session
        .open(
            "",
            vec![
                Call::Query(include_str!("../sql/lock_batches.sql"), vec![&batch]),
                Call::Query(include_str!("../sql/lock_due.sql"), vec![&keys.endpoint, &keys.id]),
                wanted.call(),
            ],
        )
        .await?;
    let found = answers.last().map_or(&[][..], Vec::as_slice).iter().map(Found::read).collect::<Result<Vec<_>>>()?;
    let mut end = End {
        message,
        reason,
        now,
        closed: Vec::new(),
        rows: ClosedColumns::default(),
        left: Keys::default(),
        wakes: Wakes::default(),
        flag: HashSet::new(),
    };
    for found in found {
        end.take(&found);
    }
    end.closed.sort_unstable_by_key(|closed| closed.delivery);
    let lanes = LaneCall::new(&end.wakes);
    let flagged: Vec<Uuid> = end.flag.iter().copied().collect();
    let mut calls = vec![
        Call::Query(include_str!("../sql/delete_due.sql"), vec![&end.left.endpoint, &end.left.id]),
        Call::Query(include_str!("../sql/insert_closed.sql"), end.rows.params()),
    ];
    if !flagged.is_empty() {
        calls.push(Call::Query(include_str!("../sql/flag_batches.sql"), vec![&flagged]));
    }
    if !end.wakes.is_empty() {
        calls.push(lanes.call());
    }
    session.commit(calls).await?;
    Ok(end.closed)
}

/// What is being ended.
struct End<'a> {
    message: &'a Message,
    reason: CloseReason,
    now: Timestamp,
    closed: Vec<Closed>,
    rows: ClosedColumns,
    left: Keys,
    wakes: Wakes,
    flag: HashSet<Uuid>,
}

impl End<'_> {
    fn take(&mut self, found: &Found) {
        let tenant = &self.message.tenant;
        if let Some(due) = &found.due {
            let closed = self.closed(found.delivery, due.endpoint, tenant, due.progress.clone());
            self.left.push(due.endpoint, found.delivery);
            if due.lane().is_ordered() {
                // Those behind it may go on.
                self.wakes.wake(due.lane(), tenant, self.now);
            }
            // A retry by request of what had succeeded goes back to being that.
            if found.succeeded.is_none() {
                self.rows.push(&closed, due.lane(), due.seq);
            }
            self.closed.push(closed);
        } else if found.is_left() && found.in_batch {
            let Some(target) = self.message.target(found.delivery) else { return };
            let closed = self.closed(found.delivery, target.endpoint, tenant, Progress::default());
            self.rows.push(&closed, Lane::unordered(target.endpoint), 0);
            self.flag.insert(self.message.batch.into());
            self.closed.push(closed);
        }
    }

    fn closed(&self, delivery: DeliveryId, endpoint: EndpointId, tenant: &Tenant, progress: Progress) -> Closed {
        let (status, reason) = (DeliveryStatus::Cancelled, self.reason);
        Closed { delivery, endpoint, tenant: tenant.clone(), status, reason, at: self.now, progress }
    }
}
