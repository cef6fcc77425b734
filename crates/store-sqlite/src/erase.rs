//! Removing messages and single deliveries with all that hangs on them.

use posthaste_core::{DeliveryId, EndpointId, MessageId, Target};
use rusqlite::{Connection, params};

use crate::accept;
use crate::fault::Fault;

/// Removes every message from the first to the last id, and all that hangs on them; also what hangs on messages that
/// are gone already. Returns how many messages there were.
pub(crate) fn range(connection: &Connection, first: MessageId, last: MessageId) -> Result<u64, Fault> {
    let ids = (first.to_bytes(), last.last_child_bits().to_be_bytes());
    children(connection, ids)?;
    connection.prepare_cached(sql!("erase/uids"))?.execute(ids)?;
    let removed = connection.prepare_cached(sql!("erase/messages"))?.execute(ids)?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

fn children(connection: &Connection, ids: ([u8; 16], [u8; 16])) -> Result<(), Fault> {
    for sql in
        [sql!("erase/due"), sql!("erase/closed"), sql!("erase/attempts"), sql!("erase/late"), sql!("erase/erased")]
    {
        connection.prepare_cached(sql)?.execute(ids)?;
    }
    Ok(())
}

/// Removes one message; says whether it was there.
pub(crate) fn message(connection: &Connection, id: MessageId) -> Result<bool, Fault> {
    Ok(range(connection, id, id)? == 1)
}

/// Removes one delivery: blanks its target and notes it, so that nothing brings it back. Says whether it was there.
pub(crate) fn delivery(connection: &Connection, id: DeliveryId) -> Result<bool, Fault> {
    let Some(mut message) = accept::message(connection, id.message())? else { return Ok(false) };
    let index = usize::try_from(id.position()).unwrap_or(usize::MAX).wrapping_sub(1);
    let Some(target) = message.targets.get_mut(index).filter(|target| accept::is_owed(target.endpoint)) else {
        return Ok(false);
    };
    target.endpoint = EndpointId::from_bits(0);
    connection
        .prepare_cached(sql!("erase/targets"))?
        .execute(params![message.id.to_bytes(), Target::pack(&message.targets)])?;
    children(connection, (id.to_bytes(), id.last_child_bits().to_be_bytes()))?;
    connection.prepare_cached(sql!("erase/note"))?.execute([id.to_bytes()])?;
    Ok(true)
}
