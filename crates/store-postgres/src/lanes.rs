//! What waits, lane by lane, as its owner reads it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::id::NodeId;
use posthaste_core::{DeliveryId, EndpointId, Lane, Message, MessageId, Timestamp};
use posthaste_store::queue::{DueDelivery, ReadyLane, Rest};
use posthaste_store::{Result, ShardSet, StoreError};

use crate::PostgresStore;
use crate::param::Uuid;
use crate::rows::{due, get, message, tenant};
use crate::session::{Rows, Session};

impl PostgresStore {
    pub(crate) async fn lanes_ready(&self, shards: &ShardSet, now: Timestamp, limit: u32) -> Result<Vec<ReadyLane>> {
        let session = self.working.take().await?;
        let shards: Vec<i16> = shards.iter().map(i16::from).collect();
        let rows = session
            .query(include_str!("../sql/ready_lanes.sql"), &[&shards, &now.as_micros(), &i64::from(limit)])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ReadyLane {
                    lane: Lane { endpoint: get::<Uuid>(row, 0)?.id(), order: get(row, 1)? },
                    tenant: tenant(get(row, 2)?)?,
                    writes: get(row, 3)?,
                })
            })
            .collect()
    }

    pub(crate) async fn due_of(
        &self,
        endpoint: EndpointId,
        after: Option<(Timestamp, DeliveryId)>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDelivery>> {
        let session = self.working.take().await?;
        let (at, id) = after.map_or((i64::MIN, Uuid(0)), |(at, id)| (at.as_micros(), id.into()));
        let rows = session
            .query(
                include_str!("../sql/lane_due.sql"),
                &[&Uuid::from(endpoint), &now.as_micros(), &at, &id, &i64::from(limit)],
            )
            .await?;
        with_messages(&session, rows).await
    }

    pub(crate) async fn head_of(&self, lane: Lane, limit: u32) -> Result<Vec<DueDelivery>> {
        let session = self.working.take().await?;
        let rows = session
            .query(include_str!("../sql/lane_head.sql"), &[&Uuid::from(lane.endpoint), &lane.order, &i64::from(limit)])
            .await?;
        with_messages(&session, rows).await
    }

    pub(crate) async fn mark(&self, node: NodeId, marked: &[(EndpointId, DeliveryId)]) -> Result<Vec<DeliveryId>> {
        let session = self.working.take().await?;
        let endpoints: Vec<Uuid> = marked.iter().map(|(endpoint, _)| (*endpoint).into()).collect();
        let ids: Vec<Uuid> = marked.iter().map(|(_, id)| (*id).into()).collect();
        let node = Uuid::from(node);
        let fence = crate::session::Call::Query(include_str!("../sql/fence.sql"), vec![&node]);
        let mark = crate::session::Call::Query(include_str!("../sql/mark_sending.sql"), vec![&node, &endpoints, &ids]);
        let answers = session.open("", vec![fence, mark]).await?;
        let [fence, there] = answers.as_slice() else {
            return Err(StoreError::internal("a pipeline was not answered whole"));
        };
        if fence.is_empty() {
            session.roll_back().await?;
            return Err(StoreError::LeaseLost);
        }
        session.commit(Vec::new()).await?;
        there.iter().map(|row| Ok(get::<Uuid>(row, 0)?.id())).collect()
    }

    pub(crate) async fn rest(&self, node: NodeId, lane: Lane, seen_writes: i64, rest: Rest) -> Result<bool> {
        let session = self.working.take().await?;
        let far = Timestamp::FAR_FUTURE.as_micros();
        let (fixed, after) = match rest {
            Rest::UntilAfter(at) => (None, at.as_micros()),
            Rest::Until(at) => (Some(at.as_micros()), far),
            Rest::Asleep => (Some(far), far),
        };
        let rows = session
            .query(
                include_str!("../sql/rest_lane.sql"),
                &[&Uuid::from(node), &Uuid::from(lane.endpoint), &lane.order, &seen_writes, &fixed, &after, &far],
            )
            .await?;
        let row = rows.first().ok_or_else(|| StoreError::internal("a statement that always answers did not"))?;
        if get::<bool>(row, 0)? { get(row, 1) } else { Err(StoreError::LeaseLost) }
    }

    pub(crate) async fn release(&self, endpoint: EndpointId, now: Timestamp) -> Result<()> {
        let session = self.working.take().await?;
        session.query(include_str!("../sql/release_lanes.sql"), &[&Uuid::from(endpoint), &now.as_micros()]).await?;
        Ok(())
    }
}

/// A message and its payload.
pub(crate) type Kept = (Arc<Message>, Option<Bytes>);

/// Messages with their payloads.
pub(crate) async fn messages(
    session: &Session,
    ids: impl Iterator<Item = MessageId>,
) -> Result<HashMap<MessageId, Kept>> {
    let mut ids: Vec<Uuid> = ids.map(Uuid::from).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = session.query(include_str!("../sql/messages_with_payloads.sql"), &[&ids]).await?;
    read_messages(&rows)
}

/// Reads rows of a message's columns and its payload.
pub(crate) fn read_messages(rows: &Rows) -> Result<HashMap<MessageId, Kept>> {
    rows.iter()
        .map(|row| {
            let message = message(row, 0)?;
            let payload: Option<&[u8]> = get(row, 8)?;
            Ok((message.id, (Arc::new(message), payload.map(Bytes::copy_from_slice))))
        })
        .collect()
}

/// Rows of `due` with what they owe. A second statement: messages do not change, and none goes while something is owed.
async fn with_messages(session: &Session, rows: Rows) -> Result<Vec<DueDelivery>> {
    let dues = rows.iter().map(|row| due(row, 0)).collect::<Result<Vec<_>>>()?;
    let known = messages(session, dues.iter().map(|due| due.delivery.message())).await?;
    let found = dues.into_iter().map(|due| {
        let (message, payload) = match known.get(&due.delivery.message()) {
            Some((message, payload)) => (Some(message.clone()), payload.clone()),
            None => (None, None),
        };
        DueDelivery { due, message, payload }
    });
    Ok(found.collect())
}
