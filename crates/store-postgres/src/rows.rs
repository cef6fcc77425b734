//! Rows as the domain's values. Each `COLUMNS` is the list that its reader expects, in that order.

use posthaste_core::Timestamp;
use posthaste_core::delivery::{Closed, Due, Progress};
use posthaste_core::message::MessageExtras;
use posthaste_core::{
    Attempt, CloseReason, DeliveryId, DeliveryStatus, Message, Outcome, Target, Tenant, TopicName, WaitingFor,
};
use posthaste_store::{Result, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::fault::{Unreadable, classify};
use crate::param::{Uuid, count, instant};

/// One column.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(classify)
}

/// A tenant as it is stored.
pub(crate) fn tenant(text: &str) -> Result<Tenant> {
    text.parse().map_err(|_| Unreadable("tenant").into())
}

/// A topic's name as it is stored.
pub(crate) fn topic(text: Option<&str>) -> Result<Option<TopicName>> {
    text.map(|text| text.parse().map_err(|_| Unreadable("topic").into())).transpose()
}

/// A document as it is stored.
pub(crate) fn document<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(StoreError::internal)
}

/// A document as it is to be stored.
pub(crate) fn text_of<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(StoreError::internal)
}

/// The `id, batch, deliver_at, tenant, topic, content_type, targets, extras` of a message, from a column on.
pub(crate) fn message(row: &Row, first: usize) -> Result<Message> {
    let extras: Option<&str> = get(row, first + 7)?;
    Ok(Message {
        id: get::<Uuid>(row, first)?.id(),
        batch: get::<Uuid>(row, first + 1)?.id(),
        deliver_at: instant(get(row, first + 2)?),
        tenant: tenant(get(row, first + 3)?)?,
        topic: topic(get(row, first + 4)?)?,
        content_type: get(row, first + 5)?,
        targets: Target::unpack(get(row, first + 6)?).ok_or(Unreadable("list of targets"))?,
        extras: extras.map_or(Ok(MessageExtras::default()), document)?,
    })
}

/// How far a delivery has come: `attempts, failures, last_status, last_error`.
pub(crate) fn progress(row: &Row, first: usize) -> Result<Progress> {
    Ok(Progress {
        attempts: count(get(row, first)?),
        failures: count(get(row, first + 1)?),
        last_status_code: get::<Option<i32>>(row, first + 2)?.and_then(|status| u16::try_from(status).ok()),
        last_error: get(row, first + 3)?,
    })
}

/// How many columns [`due`] reads.
pub(crate) const DUE_WIDTH: usize = 12;

/// A row of `due`: `id, endpoint, due_at, ord, seq, sending_by, waiting_for, tenant, attempts, failures, last_status,
/// last_error`.
pub(crate) fn due(row: &Row, first: usize) -> Result<Due> {
    Ok(Due {
        delivery: get::<Uuid>(row, first)?.id(),
        endpoint: get::<Uuid>(row, first + 1)?.id(),
        due_at: Timestamp::from_micros(get(row, first + 2)?),
        order: get(row, first + 3)?,
        seq: get(row, first + 4)?,
        sending_by: get::<Option<Uuid>>(row, first + 5)?.map(Uuid::id),
        waiting_for: WaitingFor::from_code(get(row, first + 6)?).unwrap_or(WaitingFor::Retry),
        tenant: tenant(get(row, first + 7)?)?,
        progress: progress(row, first + 8)?,
    })
}

/// A row of `closed`: `id, endpoint, at, status, reason, tenant, attempts, failures, last_status, last_error`.
pub(crate) fn closed(row: &Row, first: usize) -> Result<Closed> {
    Ok(Closed {
        delivery: get::<Uuid>(row, first)?.id(),
        endpoint: get::<Uuid>(row, first + 1)?.id(),
        at: Timestamp::from_micros(get(row, first + 2)?),
        status: DeliveryStatus::from_code(get(row, first + 3)?).unwrap_or(DeliveryStatus::Failed),
        reason: CloseReason::from_code(get(row, first + 4)?).unwrap_or(CloseReason::Unknown),
        tenant: tenant(get(row, first + 5)?)?,
        progress: progress(row, first + 6)?,
    })
}

/// A row of `attempt`: `id, endpoint, revision, tenant, number, at, duration_micros, outcome, status, error`.
pub(crate) fn attempt(row: &Row, first: usize) -> Result<Attempt> {
    Ok(Attempt {
        id: get::<Uuid>(row, first)?.id(),
        endpoint: get::<Uuid>(row, first + 1)?.id(),
        endpoint_revision: count(get(row, first + 2)?),
        tenant: tenant(get(row, first + 3)?)?,
        number: count(get(row, first + 4)?),
        at: Timestamp::from_micros(get(row, first + 5)?),
        duration_micros: u64::try_from(get::<i64>(row, first + 6)?).unwrap_or(0),
        outcome: Outcome::from_code(get(row, first + 7)?),
        status_code: get::<Option<i16>>(row, first + 8)?.and_then(|status| u16::try_from(status).ok()),
        error: get(row, first + 9)?,
    })
}

/// Where a delivery's target stands in its message's packed targets, as PostgreSQL counts bytes: from 1.
pub(crate) fn target_offset(delivery: DeliveryId) -> i32 {
    let version = 1;
    let before = i32::try_from(delivery.position()).unwrap_or(1) - 1;
    1 + version + before * i32::try_from(Target::PACKED).unwrap_or(0)
}
