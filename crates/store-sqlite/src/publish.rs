//! The group commit.

use posthaste_core::id::NodeId;
use posthaste_core::{MessageId, Target, TopicName};
use posthaste_store::queue::{IdempotencyKey, Owner};
use posthaste_store::{Accepted, Group, NewMessage, Published, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::accept;
use crate::catalog;
use crate::coordination::fence;
use crate::fault::Fault;
use crate::lanes::Wakes;
use crate::rows;

/// The kind of a message's own uid.
const MESSAGE: &str = "message";
#[expect(clippy::cast_possible_truncation, reason = "20 bytes")]
const PACKED: u32 = Target::PACKED as u32;

pub(crate) fn publish(connection: &Connection, node: NodeId, group: &Group) -> Result<Published, Fault> {
    if !fence(connection, node)? {
        return Err(StoreError::LeaseLost.into());
    }
    let moved = catalog::version(connection)? != group.matched;
    if moved || !group.consumes.is_empty() {
        // A repeat of a commit that landed is answered as that one was, whatever has happened since.
        if landed(connection, group)? {
            return Ok(Published::Committed(look_again(connection, group)?));
        }
        if moved {
            return Ok(Published::CatalogMoved);
        }
    }
    if !consume(connection, &group.consumes)? {
        return Ok(Published::Consumed);
    }
    let mut wakes = Wakes::default();
    let mut direct = false;
    let mut answers = Vec::with_capacity(group.messages.len());
    for new in &group.messages {
        let (answer, added) = accept_one(connection, new, &mut wakes)?;
        direct |= added && new.has_direct_targets();
        answers.push(answer);
    }
    wakes.write(connection)?;
    if direct {
        let owner = match group.owner {
            Owner::Publisher => Some(node.to_bytes()),
            Owner::Nobody => None,
        };
        connection.prepare_cached(sql!("publish/batch"))?.execute(params![group.batch.to_bytes(), owner])?;
    }
    Ok(Published::Committed(answers))
}

fn landed(connection: &Connection, group: &Group) -> Result<bool, Fault> {
    for new in &group.messages {
        if accept::is_present(connection, new.message.id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The answers of a commit that landed.
fn look_again(connection: &Connection, group: &Group) -> Result<Vec<Accepted>, Fault> {
    let mut answers = Vec::with_capacity(group.messages.len());
    for new in &group.messages {
        let refusal = refusal(connection, new)?;
        answers.push(refusal.unwrap_or(Accepted::New));
    }
    Ok(answers)
}

/// Removes the outbox's rows that the group came from; `false`, and nothing is removed, if one is gone.
fn consume(connection: &Connection, places: &[i64]) -> Result<bool, Fault> {
    let mut present = connection.prepare_cached(sql!("outbox/present"))?;
    for n in places {
        if !present.exists([n])? {
            return Ok(false);
        }
    }
    let mut delete = connection.prepare_cached(sql!("publish/consume"))?;
    for n in places {
        delete.execute([n])?;
    }
    Ok(true)
}

/// Accepts one message, or says why it is not; and whether its row was added now.
pub(crate) fn accept_one(
    connection: &Connection,
    new: &NewMessage,
    wakes: &mut Wakes,
) -> Result<(Accepted, bool), Fault> {
    if let Some(refusal) = refusal(connection, new)? {
        return Ok((refusal, false));
    }
    let added = accept::insert(connection, new, wakes)?;
    if added {
        let message = &*new.message;
        if let Some(key) = &new.idempotency {
            add_key(connection, message.tenant.as_str(), key, message.id)?;
        }
        if let Some(uid) = &message.extras.uid {
            accept::take_uid(connection, message.tenant.as_str(), MESSAGE, uid, message.id.to_bytes())?;
        }
    }
    Ok((Accepted::New, added))
}

/// Whether a message's key or uid stands for another one.
fn refusal(connection: &Connection, new: &NewMessage) -> Result<Option<Accepted>, Fault> {
    let message = &*new.message;
    if let Some(key) = &new.idempotency
        && let Some((original, hash)) = find_key(connection, message.tenant.as_str(), key)?
        && original != message.id
    {
        let (topic, deliveries) = original_of(connection, original)?;
        let same_request = hash == key.request_hash;
        return Ok(Some(Accepted::Duplicate { original, same_request, topic, deliveries }));
    }
    if let Some(uid) = &message.extras.uid
        && let Some(taken) = accept::uid(connection, message.tenant.as_str(), MESSAGE, uid)?
    {
        let taken = MessageId::from_bytes(taken);
        if taken != message.id {
            return Ok(Some(Accepted::UidTaken(taken)));
        }
    }
    Ok(None)
}

fn find_key(
    connection: &Connection,
    tenant: &str,
    key: &IdempotencyKey,
) -> Result<Option<(MessageId, [u8; 32])>, Fault> {
    let mut statement = connection.prepare_cached(sql!("publish/key"))?;
    let found = statement
        .query_row(params![tenant, key.verb, key.key], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(id, hash)| (MessageId::from_bytes(id), hash)))
}

fn add_key(connection: &Connection, tenant: &str, key: &IdempotencyKey, id: MessageId) -> Result<(), Fault> {
    let current: i64 = connection.prepare_cached(sql!("publish/generation"))?.query_row([], |row| row.get(0))?;
    let sql = if current == 0 { sql!("publish/add_key_0") } else { sql!("publish/add_key_1") };
    connection.prepare_cached(sql)?.execute(params![tenant, key.verb, key.key, id.to_bytes(), key.request_hash])?;
    Ok(())
}

/// The topic of a message and how many deliveries it had, if it is still kept.
fn original_of(connection: &Connection, id: MessageId) -> Result<(Option<TopicName>, Option<u32>), Fault> {
    let mut statement = connection.prepare_cached(sql!("publish/original"))?;
    let mut found = statement.query([id.to_bytes()])?;
    match found.next()? {
        Some(row) => {
            let packed: u32 = row.get(1)?;
            // At most 2²⁰ targets of 20 bytes each, so the length fits, and so does the number.
            let deliveries = packed.saturating_sub(1) / PACKED;
            Ok((rows::topic(row, 0)?, Some(deliveries)))
        }
        None => Ok((None, None)),
    }
}
