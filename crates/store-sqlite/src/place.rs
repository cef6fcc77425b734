//! Where is a delivery? The one rule, read in one snapshot (`docs/adr/0004-placement-rule.md`): in `due`; else succeeded;
//! else in `closed`; else in its batch.

use posthaste_core::delivery::{Closed, Delivery, Due, Placement, Progress};
use posthaste_core::id::BatchId;
use posthaste_core::{DeliveryId, Message, Timestamp};
use rusqlite::{Connection, params};

use crate::accept;
use crate::fault::Fault;
use crate::rows;

/// A closed row with its place in its ordered lane.
pub(crate) struct ClosedRow {
    pub(crate) closed: Closed,
    pub(crate) order: i64,
    pub(crate) seq: i64,
}

pub(crate) fn place(connection: &Connection, delivery: DeliveryId, batch: BatchId) -> Result<Placement, Fault> {
    if let Some(due) = due(connection, delivery)? {
        return Ok(Placement::Due(due));
    }
    if let Some(succeeded) = success(connection, delivery)? {
        return Ok(succeeded);
    }
    if let Some(row) = closed(connection, delivery)? {
        return Ok(Placement::Closed(row.closed));
    }
    let live = connection.prepare_cached(sql!("place/batch"))?.exists([batch.to_bytes()])?;
    Ok(if live { Placement::Batch } else { Placement::Missing })
}

/// A delivery with its place; `None` if it is not (any more) owed by this message.
pub(crate) fn delivery(connection: &Connection, id: DeliveryId, message: &Message) -> Result<Option<Delivery>, Fault> {
    let Some(target) = message.target(id).filter(|target| accept::is_owed(target.endpoint)) else {
        return Ok(None);
    };
    Ok(Some(Delivery {
        id,
        endpoint: target.endpoint,
        endpoint_revision: target.revision,
        tenant: message.tenant.clone(),
        topic: message.topic.clone(),
        deliver_at: message.deliver_at,
        placement: place(connection, id, message.batch)?,
    }))
}

pub(crate) fn due(connection: &Connection, delivery: DeliveryId) -> Result<Option<Due>, Fault> {
    let mut statement = connection.prepare_cached(sql!("due/get"))?;
    let mut found = statement.query([delivery.to_bytes()])?;
    found.next()?.map(rows::due).transpose()
}

pub(crate) fn closed(connection: &Connection, delivery: DeliveryId) -> Result<Option<ClosedRow>, Fault> {
    let mut statement = connection.prepare_cached(sql!("closed/get"))?;
    let mut found = statement.query([delivery.to_bytes()])?;
    let row = found.next()?;
    row.map(|row| Ok(ClosedRow { closed: rows::closed(row)?, order: row.get(10)?, seq: row.get(11)? })).transpose()
}

pub(crate) fn success(connection: &Connection, delivery: DeliveryId) -> Result<Option<Placement>, Fault> {
    let mut statement = connection.prepare_cached(sql!("place/success"))?;
    let mut found = statement.query(attempts_of(delivery))?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some(Placement::Succeeded {
        attempt: rows::id(row, 0)?,
        number: row.get(1)?,
        at: rows::at(row, 2)?,
        duration_micros: row.get::<_, i64>(3)?.unsigned_abs(),
        status_code: row.get(4)?,
    }))
}

pub(crate) fn succeeded(connection: &Connection, delivery: DeliveryId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(sql!("place/success"))?.exists(attempts_of(delivery))?)
}

/// Whether a delivery is in `due`, has succeeded or was closed: in any place but its batch.
pub(crate) fn left_batch(connection: &Connection, delivery: DeliveryId) -> Result<bool, Fault> {
    let key = [delivery.to_bytes()];
    Ok(connection.prepare_cached(sql!("place/due"))?.exists(key)?
        || connection.prepare_cached(sql!("place/closed"))?.exists(key)?
        || succeeded(connection, delivery)?)
}

/// How many attempts a delivery has had, over all schedules.
pub(crate) fn attempts(connection: &Connection, delivery: DeliveryId) -> Result<u32, Fault> {
    let mut statement = connection.prepare_cached(sql!("place/attempts"))?;
    Ok(statement.query_row(attempts_of(delivery), |row| row.get(0))?)
}

fn attempts_of(delivery: DeliveryId) -> ([u8; 16], [u8; 16]) {
    (delivery.to_bytes(), delivery.last_child_bits().to_be_bytes())
}

/// Puts a delivery into `closed`.
pub(crate) fn close(connection: &Connection, closed: &Closed, order: i64, seq: i64) -> Result<(), Fault> {
    connection.prepare_cached(sql!("closed/insert"))?.execute(params![
        closed.delivery.to_bytes(),
        closed.endpoint.to_bytes(),
        closed.tenant.as_str(),
        closed.status.code(),
        closed.reason.code(),
        closed.at.as_micros(),
        closed.progress.attempts,
        closed.progress.failures,
        closed.progress.last_status_code,
        closed.progress.last_error,
        order,
        seq,
    ])?;
    Ok(())
}

/// Puts a delivery into `due`.
pub(crate) fn put_due(connection: &Connection, due: &Due) -> Result<(), Fault> {
    let Progress { attempts, failures, last_status_code, last_error } = &due.progress;
    connection.prepare_cached(sql!("due/insert"))?.execute(params![
        due.delivery.to_bytes(),
        due.endpoint.to_bytes(),
        due.tenant.as_str(),
        due.order,
        due.seq,
        Timestamp::as_micros(due.due_at),
        due.waiting_for.code(),
        attempts,
        failures,
        last_status_code,
        last_error,
    ])?;
    Ok(())
}
