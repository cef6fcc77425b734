//! Ending what waits of messages whose time is over.

use posthaste_core::{CloseReason, DeliveryId, MessageId, Tenant, Timestamp};
use posthaste_store::retention::Expired;
use rusqlite::{Connection, params};

use crate::fault::Fault;
use crate::{accept, change, place, rows};

/// Notes when a message expires.
pub(crate) fn note(connection: &Connection, id: MessageId, tenant: &Tenant, at: Timestamp) -> Result<(), Fault> {
    let mut add = connection.prepare_cached(sql!("expiry/add"))?;
    add.execute(params![at.as_micros(), id.to_bytes(), tenant.as_str()])?;
    Ok(())
}

/// Whether there is anything to look at.
pub(crate) fn any(connection: &Connection, before: Timestamp) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(sql!("expiry/any"))?.exists([before.as_micros()])?)
}

/// One bounded step.
pub(crate) fn expire(connection: &Connection, before: Timestamp, now: Timestamp, limit: u32) -> Result<Expired, Fault> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut page = connection.prepare_cached(sql!("expiry/page"))?;
    let mut found = page.query(params![before.as_micros(), limit])?;
    let mut messages: Vec<(i64, MessageId, Tenant)> = Vec::new();
    while let Some(row) = found.next()? {
        messages.push((row.get(0)?, rows::id(row, 1)?, rows::tenant(row, 2)?));
    }
    let mut expired = Expired { ended: Vec::new(), more: messages.len() >= most };
    for (at, id, tenant) in messages {
        let left = limit.saturating_sub(u32::try_from(expired.ended.len()).unwrap_or(u32::MAX));
        if left == 0 || !end(connection, id, &tenant, now, left, &mut expired.ended)? {
            expired.more = true;
            break;
        }
        connection.prepare_cached(sql!("expiry/delete"))?.execute(params![at, id.to_bytes()])?;
    }
    Ok(expired)
}

/// Ends at most so many of a message's waiting deliveries; says whether those were all.
fn end(
    connection: &Connection,
    id: MessageId,
    tenant: &Tenant,
    now: Timestamp,
    limit: u32,
    ended: &mut Vec<DeliveryId>,
) -> Result<bool, Fault> {
    let mut waiting: Vec<DeliveryId> = Vec::new();
    let last = id.last_child_bits().to_be_bytes();
    let mut statement = connection.prepare_cached(sql!("expiry/waiting"))?;
    let mut found = statement.query(params![tenant.as_str(), id.to_bytes(), last, limit])?;
    while let Some(row) = found.next()? {
        waiting.push(rows::id(row, 0)?);
    }
    if waiting.is_empty() {
        return Ok(true);
    }
    let Some(message) = accept::message(connection, id)? else { return Ok(true) };
    for delivery in &waiting {
        if let Some(delivery) = place::delivery(connection, *delivery, &message)?
            && change::end(connection, &message, &delivery, CloseReason::Expired, now)?.is_some()
        {
            ended.push(delivery.id);
        }
    }
    Ok(waiting.len() < usize::try_from(limit).unwrap_or(usize::MAX))
}
