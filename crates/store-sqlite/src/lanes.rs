//! Lanes: one queue each of an endpoint's waiting deliveries, and when its owner has to look at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::id::NodeId;
use posthaste_core::{DeliveryId, EndpointId, Lane, Message, MessageId, Tenant, Timestamp};
use posthaste_store::queue::{DueDelivery, ReadyLane, Rest};
use posthaste_store::{ShardSet, StoreError};
use rusqlite::{Connection, OptionalExtension, Rows, params};

use crate::coordination::fence;
use crate::fault::Fault;
use crate::rows;
use crate::wide::WideMessages;

/// Lanes that got rows in the present transaction: one write for each, however many rows.
#[derive(Debug, Default)]
pub(crate) struct Wakes(BTreeMap<Lane, Wake>);

#[derive(Debug)]
struct Wake {
    tenant: Tenant,
    next_at: Timestamp,
    writes: i64,
}

impl Wakes {
    /// A row was added to the lane, to be looked at by `next_at`.
    pub(crate) fn add(&mut self, lane: Lane, tenant: &Tenant, next_at: Timestamp) {
        let wake = self.0.entry(lane).or_insert_with(|| Wake { tenant: tenant.clone(), next_at, writes: 0 });
        wake.next_at = wake.next_at.min(next_at);
        wake.writes += 1;
    }

    pub(crate) fn write(self, connection: &Connection) -> Result<(), Fault> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(sql!("lane/wake"))?;
        for (lane, wake) in self.0 {
            statement.execute(params![
                lane.endpoint.to_bytes(),
                lane.order,
                lane.endpoint.shard(),
                wake.tenant.as_str(),
                wake.next_at.as_micros(),
                wake.writes,
            ])?;
        }
        Ok(())
    }
}

/// A row has left an ordered lane: the one behind it may go now.
pub(crate) fn forward(connection: &Connection, lane: Lane, at: Timestamp) -> Result<(), Fault> {
    if lane.is_ordered() {
        let mut statement = connection.prepare_cached(sql!("lane/forward"))?;
        statement.execute(params![lane.endpoint.to_bytes(), lane.order, at.as_micros()])?;
    }
    Ok(())
}

pub(crate) fn hold(connection: &Connection, lane: Lane) -> Result<(), Fault> {
    connection.prepare_cached(sql!("lane/hold"))?.execute(params![lane.endpoint.to_bytes(), lane.order])?;
    Ok(())
}

pub(crate) fn unhold(connection: &Connection, lane: Lane) -> Result<(), Fault> {
    connection.prepare_cached(sql!("lane/unhold"))?.execute(params![lane.endpoint.to_bytes(), lane.order])?;
    Ok(())
}

/// Brings every lane of an endpoint forward: it sends again, or it is gone and what waits has to be closed.
pub(crate) fn wake_all(connection: &Connection, endpoint: EndpointId, now: Timestamp) -> Result<(), Fault> {
    connection.prepare_cached(sql!("lane/wake_all"))?.execute(params![endpoint.to_bytes(), now.as_micros()])?;
    Ok(())
}

/// Lets held lanes of an endpoint go on.
pub(crate) fn release(connection: &Connection, endpoint: EndpointId, now: Timestamp) -> Result<(), Fault> {
    connection.prepare_cached(sql!("lane/release"))?.execute(params![endpoint.to_bytes(), now.as_micros()])?;
    Ok(())
}

/// Shards are told apart here and not by an index: with SQLite one node owns them all, so nearly every row fits.
pub(crate) fn ready(
    connection: &Connection,
    shards: &ShardSet,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ReadyLane>, Fault> {
    let mut statement = connection.prepare_cached(sql!("lane/ready"))?;
    let mut found = statement.query([now.as_micros()])?;
    let mut lanes = Vec::new();
    while let Some(row) = found.next()? {
        if u32::try_from(lanes.len()).unwrap_or(u32::MAX) >= limit {
            break;
        }
        if shards.contains(row.get(2)?) {
            let lane = Lane { endpoint: rows::id(row, 0)?, order: row.get(1)? };
            lanes.push(ReadyLane { lane, tenant: rows::tenant(row, 3)?, writes: row.get(4)? });
        }
    }
    Ok(lanes)
}

pub(crate) fn head(
    connection: &Connection,
    wide: &WideMessages,
    lane: Lane,
    limit: u32,
) -> Result<Vec<DueDelivery>, Fault> {
    let mut statement = connection.prepare_cached(sql!("due/head"))?;
    with_messages(connection, wide, statement.query(params![lane.endpoint.to_bytes(), lane.order, limit])?)
}

pub(crate) fn due(
    connection: &Connection,
    wide: &WideMessages,
    endpoint: EndpointId,
    after: Option<(Timestamp, DeliveryId)>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueDelivery>, Fault> {
    let (after_at, after_id) = after.unwrap_or((Timestamp::from_micros(i64::MIN), DeliveryId::from_bits(0)));
    let mut statement = connection.prepare_cached(sql!("due/ready"))?;
    let found = statement.query(params![
        endpoint.to_bytes(),
        now.as_micros(),
        after_at.as_micros(),
        after_id.to_bytes(),
        limit
    ])?;
    with_messages(connection, wide, found)
}

fn with_messages(connection: &Connection, wide: &WideMessages, mut found: Rows<'_>) -> Result<Vec<DueDelivery>, Fault> {
    let mut deliveries = Vec::new();
    while let Some(row) = found.next()? {
        let due = rows::due(row)?;
        let (message, payload) = match with_payload(connection, wide, due.delivery.message())? {
            Some((message, payload)) => (Some(message), Some(payload)),
            None => (None, None),
        };
        deliveries.push(DueDelivery { due, message, payload });
    }
    Ok(deliveries)
}

fn with_payload(
    connection: &Connection,
    wide: &WideMessages,
    id: MessageId,
) -> Result<Option<(Arc<Message>, Bytes)>, Fault> {
    if let Some(message) = wide.get(id) {
        let mut statement = connection.prepare_cached(sql!("message/payload"))?;
        let payload: Option<Vec<u8>> = statement.query_row([id.to_bytes()], |row| row.get(0)).optional()?;
        return Ok(payload.map(|payload| (message, payload.into())));
    }
    let mut statement = connection.prepare_cached(sql!("message/with_payload"))?;
    let mut found = statement.query([id.to_bytes()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some((wide.share(rows::message(row)?), row.get::<_, Vec<u8>>(8)?.into())))
}

/// Says of rows of `due` that they are about to be sent; returns those that were there.
pub(crate) fn mark_sending(
    connection: &Connection,
    node: NodeId,
    marks: &[(EndpointId, DeliveryId)],
) -> Result<Vec<DeliveryId>, Fault> {
    if !fence(connection, node)? {
        return Err(StoreError::LeaseLost.into());
    }
    let mut statement = connection.prepare_cached(sql!("due/mark"))?;
    let mut marked = Vec::with_capacity(marks.len());
    for (endpoint, delivery) in marks {
        if statement.execute(params![delivery.to_bytes(), endpoint.to_bytes(), node.to_bytes()])? == 1 {
            marked.push(*delivery);
        }
    }
    Ok(marked)
}

pub(crate) fn rest(
    connection: &Connection,
    node: NodeId,
    lane: Lane,
    seen_writes: i64,
    rest: Rest,
) -> Result<bool, Fault> {
    if !fence(connection, node)? {
        return Err(StoreError::LeaseLost.into());
    }
    let key = (lane.endpoint.to_bytes(), lane.order);
    let found = connection
        .prepare_cached(sql!("lane/get"))?
        .query_row(key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
        .optional()?;
    let Some((writes, held)) = found else { return Ok(false) };
    if writes != seen_writes {
        return Ok(false);
    }
    let empty = !connection.prepare_cached(sql!("lane/any"))?.exists(key)?;
    if empty && !held {
        connection.prepare_cached(sql!("lane/remove"))?.execute(key)?;
        return Ok(true);
    }
    let next_at = match rest {
        Rest::Asleep => Timestamp::FAR_FUTURE,
        Rest::Until(instant) => instant,
        Rest::UntilAfter(instant) => next_due(connection, lane, instant)?.unwrap_or(Timestamp::FAR_FUTURE),
    };
    connection.prepare_cached(sql!("lane/rest"))?.execute(params![
        lane.endpoint.to_bytes(),
        lane.order,
        next_at.as_micros()
    ])?;
    Ok(true)
}

fn next_due(connection: &Connection, lane: Lane, after: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let micros: Option<i64> = if lane.is_ordered() {
        let mut statement = connection.prepare_cached(sql!("lane/head_due"))?;
        statement.query_row(params![lane.endpoint.to_bytes(), lane.order], |row| row.get(0)).optional()?
    } else {
        let mut statement = connection.prepare_cached(sql!("lane/next_due"))?;
        statement.query_row(params![lane.endpoint.to_bytes(), after.as_micros()], |row| row.get(0))?
    };
    Ok(micros.map(Timestamp::from_micros))
}
