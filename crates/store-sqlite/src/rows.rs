//! Rows as values: what each table's columns mean.

use posthaste_core::delivery::{Closed, Due, Progress};
use posthaste_core::message::MessageExtras;
use posthaste_core::{
    Attempt, CloseReason, DeliveryStatus, Id, Message, Outcome, Target, Tenant, Timestamp, TopicName, WaitingFor,
};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::fault::Fault;

pub(crate) fn id<K>(row: &Row<'_>, column: usize) -> Result<Id<K>, Fault> {
    Ok(Id::from_bytes(row.get(column)?))
}

pub(crate) fn optional_id<K>(row: &Row<'_>, column: usize) -> Result<Option<Id<K>>, Fault> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(Id::from_bytes))
}

pub(crate) fn at(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_micros(row.get(column)?))
}

pub(crate) fn optional_at(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, Fault> {
    row.get_ref(column)?.as_str().map_err(|_| Fault::Unreadable("a text"))
}

pub(crate) fn tenant(row: &Row<'_>, column: usize) -> Result<Tenant, Fault> {
    text(row, column)?.parse().map_err(|_| Fault::Unreadable("a tenant"))
}

pub(crate) fn optional_tenant(row: &Row<'_>, column: usize) -> Result<Option<Tenant>, Fault> {
    match row.get_ref(column)? {
        ValueRef::Null | ValueRef::Text(b"") => Ok(None),
        _ => tenant(row, column).map(Some),
    }
}

pub(crate) fn topic(row: &Row<'_>, column: usize) -> Result<Option<TopicName>, Fault> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => Ok(Some(text(row, column)?.parse().map_err(|_| Fault::Unreadable("a topic"))?)),
    }
}

pub(crate) fn document<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    Ok(serde_json::from_str(text(row, column)?)?)
}

/// The eight columns `id, tenant, topic, content_type, targets, batch, deliver_at, extras`.
pub(crate) fn message(row: &Row<'_>) -> Result<Message, Fault> {
    let targets = row.get_ref(4)?.as_blob().map_err(|_| Fault::Unreadable("targets"))?;
    let extras = match row.get_ref(7)? {
        ValueRef::Null => MessageExtras::default(),
        _ => document(row, 7)?,
    };
    Ok(Message {
        id: id(row, 0)?,
        tenant: tenant(row, 1)?,
        topic: topic(row, 2)?,
        content_type: row.get(3)?,
        targets: Target::unpack(targets).ok_or(Fault::Unreadable("targets"))?,
        batch: id(row, 5)?,
        deliver_at: optional_at(row, 6)?,
        extras,
    })
}

/// The four columns `attempts, failures, last_status, last_error` from `first` on.
fn progress(row: &Row<'_>, first: usize) -> Result<Progress, Fault> {
    Ok(Progress {
        attempts: row.get(first)?,
        failures: row.get(first + 1)?,
        last_status_code: row.get(first + 2)?,
        last_error: row.get(first + 3)?,
    })
}

/// A row of `due`; the columns are those of `sql/due/get.sql`.
pub(crate) fn due(row: &Row<'_>) -> Result<Due, Fault> {
    Ok(Due {
        delivery: id(row, 0)?,
        endpoint: id(row, 1)?,
        tenant: tenant(row, 2)?,
        due_at: at(row, 3)?,
        // A reason that a newer version wrote: that it waits is what matters.
        waiting_for: WaitingFor::from_code(row.get(4)?).unwrap_or(WaitingFor::Retry),
        progress: progress(row, 5)?,
        order: row.get(9)?,
        seq: row.get(10)?,
        sending_by: optional_id(row, 11)?,
    })
}

/// A row of `closed`; the columns are those of `sql/closed/get.sql`.
pub(crate) fn closed(row: &Row<'_>) -> Result<Closed, Fault> {
    Ok(Closed {
        delivery: id(row, 0)?,
        endpoint: id(row, 1)?,
        tenant: tenant(row, 2)?,
        status: DeliveryStatus::from_code(row.get(3)?).unwrap_or(DeliveryStatus::Failed),
        reason: CloseReason::from_code(row.get(4)?).unwrap_or(CloseReason::Unknown),
        at: at(row, 5)?,
        progress: progress(row, 6)?,
    })
}

/// The nine columns `id, endpoint, revision, number, at, duration, outcome, status_code, error`.
pub(crate) fn attempt(row: &Row<'_>, tenant: &Tenant) -> Result<Attempt, Fault> {
    Ok(Attempt {
        id: id(row, 0)?,
        endpoint: id(row, 1)?,
        endpoint_revision: row.get(2)?,
        tenant: tenant.clone(),
        number: row.get(3)?,
        at: at(row, 4)?,
        duration_micros: row.get::<_, i64>(5)?.unsigned_abs(),
        outcome: Outcome::from_code(row.get(6)?),
        status_code: row.get(7)?,
        error: row.get(8)?,
    })
}

/// An instant's smallest id bits, rounded up: ids hold whole milliseconds, so what was accepted at or after the instant
/// has at least these bits, and what was accepted before it has fewer.
pub(crate) fn bits_from(instant: Timestamp) -> u128 {
    let up = Timestamp::from_micros(instant.as_micros().saturating_add(999));
    Id::<posthaste_core::id::MessageKind>::floor_of(up).bits()
}
