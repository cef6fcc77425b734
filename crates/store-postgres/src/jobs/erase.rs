//! Removing messages and deliveries with all that hangs on them.

use std::collections::BTreeMap;

use posthaste_core::{DeliveryId, Message, MessageId};
use posthaste_store::Result;

use crate::param::Uuid;
use crate::record::Keys;
use crate::rows::{message, target_offset};
use crate::session::{Call, Session};

/// Messages that are there, with their batches and waiting deliveries locked: no owner places anything of them anew
/// afterwards, since it finds the message gone.
async fn locked(session: &Session, ids: impl Iterator<Item = MessageId>) -> Result<Vec<Message>> {
    let mut ids: Vec<Uuid> = ids.map(Uuid::from).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = session.query(include_str!("../../sql/messages_by_id.sql"), &[&ids]).await?;
    let messages = rows.iter().map(|row| message(row, 0)).collect::<Result<Vec<_>>>()?;
    let mut batches: Vec<Uuid> = messages.iter().map(|message| message.batch.into()).collect();
    batches.sort_unstable();
    batches.dedup();
    session.query(include_str!("../../sql/lock_batches.sql"), &[&batches]).await?;
    Ok(messages)
}

/// Removes messages; says how many were there.
pub(super) async fn messages(session: &Session, ids: &[MessageId]) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let found = locked(session, ids.iter().copied()).await?;
    let mut keys = Keys::default();
    for message in &found {
        for (delivery, target) in message.deliveries() {
            keys.push(target.endpoint, delivery);
        }
    }
    let ids: Vec<Uuid> = found.iter().map(|message| message.id.into()).collect();
    let last: Vec<Uuid> = found.iter().map(|message| Uuid(message.id.last_child_bits())).collect();
    session.query(include_str!("../../sql/lock_due.sql"), &[&keys.endpoint, &keys.id]).await?;
    session
        .pipeline(vec![
            Call::Query(include_str!("../../sql/delete_due.sql"), vec![&keys.endpoint, &keys.id]),
            Call::Query(include_str!("../../sql/erase_closed.sql"), vec![&ids, &last]),
            Call::Query(include_str!("../../sql/erase_attempts.sql"), vec![&ids, &last]),
            Call::Query(include_str!("../../sql/erase_captures.sql"), vec![&ids, &last]),
            Call::Query("DELETE FROM posthaste.payload WHERE id = ANY ($1)", vec![&ids]),
            Call::Query("DELETE FROM posthaste.uid WHERE id = ANY ($1)", vec![&ids]),
            Call::Query("DELETE FROM posthaste.message WHERE id = ANY ($1)", vec![&ids]),
        ])
        .await?;
    Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
}

/// Removes deliveries and blanks their targets; says how many were there.
pub(super) async fn deliveries(session: &Session, ids: &[DeliveryId]) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let found = locked(session, ids.iter().map(|id| id.message())).await?;
    let known: BTreeMap<MessageId, &Message> = found.iter().map(|message| (message.id, message)).collect();
    let mut keys = Keys::default();
    for delivery in ids {
        let target = known.get(&delivery.message()).and_then(|message| message.target(*delivery));
        if let Some(target) = target.filter(|target| target.endpoint.bits() != 0) {
            keys.push(target.endpoint, *delivery);
        }
    }
    let last: Vec<Uuid> = keys.id.iter().map(|id| Uuid(DeliveryId::from_bits(id.0).last_child_bits())).collect();
    session.query(include_str!("../../sql/lock_due.sql"), &[&keys.endpoint, &keys.id]).await?;
    session
        .pipeline(vec![
            Call::Query(include_str!("../../sql/delete_due.sql"), vec![&keys.endpoint, &keys.id]),
            Call::Query(include_str!("../../sql/erase_closed.sql"), vec![&keys.id, &last]),
            Call::Query(include_str!("../../sql/erase_attempts.sql"), vec![&keys.id, &last]),
            Call::Query(include_str!("../../sql/erase_captures.sql"), vec![&keys.id, &last]),
        ])
        .await?;
    for id in &keys.id {
        let delivery = DeliveryId::from_bits(id.0);
        session
            .query(
                include_str!("../../sql/blank_target.sql"),
                &[&Uuid::from(delivery.message()), &target_offset(delivery)],
            )
            .await?;
    }
    Ok(u64::try_from(keys.id.len()).unwrap_or(u64::MAX))
}
