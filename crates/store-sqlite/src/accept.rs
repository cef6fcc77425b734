//! Adding one message with what waits of it: the step that publishing, firing, replaying and following share.

use posthaste_core::id::{BatchId, MessageId};
use posthaste_core::{EndpointId, Lane, Message, Origin, Target, Timestamp};
use posthaste_store::NewMessage;
use rusqlite::{Connection, OptionalExtension, params};

use crate::expiry;
use crate::fault::Fault;
use crate::lanes::Wakes;

/// Adds a message unless it is there; says whether it is new. Everything else of it hangs on that.
pub(crate) fn insert(connection: &Connection, new: &NewMessage, wakes: &mut Wakes) -> Result<bool, Fault> {
    let message = &*new.message;
    let extras = if message.extras.is_empty() { None } else { Some(serde_json::to_string(&message.extras)?) };
    let origin = match message.extras.origin {
        Origin::Replay { message_id } => Some(message_id.to_bytes()),
        _ => None,
    };
    let rows = connection.prepare_cached(sql!("publish/message"))?.execute(params![
        message.id.to_bytes(),
        message.tenant.as_str(),
        message.topic.as_ref().map(posthaste_core::TopicName::as_str),
        message.content_type,
        Target::pack(&message.targets),
        message.batch.to_bytes(),
        message.deliver_at.map(Timestamp::as_micros),
        extras,
        origin,
        &*new.payload,
    ])?;
    if rows == 1
        && let Some(at) = message.extras.expires_at
    {
        expiry::note(connection, message.id, &message.tenant, at)?;
    }
    if rows == 1 && !new.waits.is_empty() {
        wait(connection, new, wakes)?;
    }
    Ok(rows == 1)
}

fn wait(connection: &Connection, new: &NewMessage, wakes: &mut Wakes) -> Result<(), Fault> {
    let message = &*new.message;
    let mut seq = places(connection, new.waits.iter().filter(|wait| wait.order != 0).count())?;
    let mut insert = connection.prepare_cached(sql!("due/insert"))?;
    for wait in &new.waits {
        let delivery = message.id.delivery(wait.position);
        let target = message.target(delivery).ok_or(Fault::Unreadable("a wait without its target"))?;
        let lane = Lane { endpoint: target.endpoint, order: wait.order };
        let place = if lane.is_ordered() {
            seq += 1;
            seq
        } else {
            0
        };
        insert.execute(params![
            delivery.to_bytes(),
            lane.endpoint.to_bytes(),
            message.tenant.as_str(),
            lane.order,
            place,
            wait.due_at.as_micros(),
            wait.waiting_for.code(),
            0,
            0,
            None::<u16>,
            None::<&str>,
        ])?;
        // The catalog's version says that the endpoint is still stopped; whoever starts it wakes its lanes.
        let next_at = if wait.waiting_for.ends_by_itself() { wait.due_at } else { Timestamp::FAR_FUTURE };
        wakes.add(lane, &message.tenant, next_at);
    }
    Ok(())
}

/// Takes this many places; returns the one before the first.
fn places(connection: &Connection, count: usize) -> Result<i64, Fault> {
    let Ok(count @ 1..) = i64::try_from(count) else { return Ok(0) };
    let last: i64 = connection.prepare_cached(sql!("publish/places"))?.query_row([count], |row| row.get(0))?;
    Ok(last - count)
}

pub(crate) fn is_present(connection: &Connection, id: MessageId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(sql!("publish/present"))?.exists([id.to_bytes()])?)
}

/// The ids of the messages that can belong to a batch: from its own to [`posthaste_store::queue::BATCH_SPAN`] later.
pub(crate) fn batch_range(batch: BatchId) -> ([u8; 16], [u8; 16]) {
    // One more millisecond: ids hold whole ones, rounded down.
    let after = batch.timestamp() + posthaste_store::queue::BATCH_SPAN + std::time::Duration::from_millis(1);
    (batch.to_bytes(), MessageId::floor_of(after).to_bytes())
}

/// A message without its payload.
pub(crate) fn message(connection: &Connection, id: MessageId) -> Result<Option<Message>, Fault> {
    let mut statement = connection.prepare_cached(sql!("message/get"))?;
    let mut rows = statement.query([id.to_bytes()])?;
    rows.next()?.map(crate::rows::message).transpose()
}

/// What a uid stands for.
pub(crate) fn uid(connection: &Connection, tenant: &str, kind: &str, uid: &str) -> Result<Option<[u8; 16]>, Fault> {
    let mut statement = connection.prepare_cached(sql!("publish/uid"))?;
    Ok(statement.query_row(params![tenant, kind, uid], |row| row.get(0)).optional()?)
}

/// Takes a uid unless it is taken; says whether it was free.
pub(crate) fn take_uid(
    connection: &Connection,
    tenant: &str,
    kind: &str,
    uid: &str,
    id: [u8; 16],
) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(sql!("publish/add_uid"))?.execute(params![tenant, kind, uid, id])? == 1)
}

/// Whether a target is still owed: an erased one has an endpoint of 0 bits.
pub(crate) fn is_owed(endpoint: EndpointId) -> bool {
    endpoint.bits() != 0
}
