//! Reading messages and attempts.

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::{
    Attempt, AttemptId, Capture, Delivery, DeliveryId, EndpointId, Message, MessageId, Tenant, Timestamp,
};
use posthaste_store::history::{DeliveryFilter, EndpointActivity, MAX_EXAMINED, MessageFilter, Stats};
use posthaste_store::relations::Captures;
use posthaste_store::{History, Page, Result, Slice};
use rusqlite::{Connection, Row, params};

use crate::directory::{before, page};
use crate::fault::Fault;
use crate::{SqliteStore, accept, capture, lists, place, rows, stats};

#[async_trait]
impl History for SqliteStore {
    async fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Slice<Message>> {
        let filter = filter.clone();
        self.read(move |connection| messages(connection, &filter, page)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        self.read(move |connection| accept::message(connection, id)).await
    }

    async fn message_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Message>> {
        let (tenant, uid) = (tenant.clone(), uid.to_owned());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("message/by_uid"))?;
            let mut found = statement.query([tenant.as_str(), &uid])?;
            found.next()?.map(rows::message).transpose()
        })
        .await
    }

    async fn payload(&self, id: MessageId) -> Result<Option<Bytes>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("message/payload"))?;
            let mut found = statement.query([id.to_bytes()])?;
            found.next()?.map(|row| Ok(row.get::<_, Vec<u8>>(0)?.into())).transpose()
        })
        .await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: Page) -> Result<Slice<Delivery>> {
        let filter = filter.clone();
        self.read(move |connection| lists::deliveries(connection, &filter, page, MAX_EXAMINED)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.read(move |connection| match accept::message(connection, id.message())? {
            Some(message) => place::delivery(connection, id, &message),
            None => Ok(None),
        })
        .await
    }

    async fn attempts(&self, delivery: DeliveryId, page: Page) -> Result<Slice<(Attempt, Option<Capture>)>> {
        self.read(move |connection| match accept::message(connection, delivery.message())? {
            Some(message) => attempts(connection, &message, delivery, page, Captures::Read),
            None => Ok(Slice { items: Vec::new(), next: None }),
        })
        .await
    }

    async fn attempt(&self, id: AttemptId) -> Result<Option<(Attempt, Option<Capture>)>> {
        self.read(move |connection| {
            let Some(message) = accept::message(connection, id.delivery().message())? else { return Ok(None) };
            let mut statement = connection.prepare_cached(sql!("attempt/get"))?;
            let mut found = statement.query([id.to_bytes()])?;
            found.next()?.map(|row| attempt_row(row, &message.tenant)).transpose()
        })
        .await
    }

    async fn endpoint_activity(&self, endpoint: EndpointId, since: Timestamp) -> Result<EndpointActivity> {
        self.read(move |connection| stats::endpoint_activity(connection, endpoint, since)).await
    }

    async fn stats(&self, tenant: Option<&Tenant>) -> Result<Stats> {
        let tenant = tenant.cloned();
        self.read(move |connection| stats::stats(connection, tenant.as_ref())).await
    }
}

fn attempt_row(row: &Row<'_>, tenant: &Tenant) -> Result<(Attempt, Option<Capture>), Fault> {
    let packed = row.get_ref(9)?.as_blob_or_null().map_err(|_| Fault::Unreadable("a capture"))?;
    Ok((rows::attempt(row, tenant)?, packed.map(capture::unpack).transpose()?))
}

/// A page of a delivery's attempts.
pub(crate) fn attempts(
    connection: &Connection,
    message: &Message,
    delivery: DeliveryId,
    asked: Page,
    captures: Captures,
) -> Result<Slice<(Attempt, Option<Capture>)>, Fault> {
    let sql = match captures {
        Captures::Read => sql!("attempt/page"),
        Captures::Left => sql!("relations/attempts"),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let last = delivery.last_child_bits().to_be_bytes();
    let found = statement.query(params![delivery.to_bytes(), last, before(asked)])?;
    let read = |row: &Row<'_>| attempt_row(row, &message.tenant);
    page(found, asked, read, |(attempt, _)| attempt.id.bits(), |_| true)
}

fn messages(connection: &Connection, filter: &MessageFilter, asked: Page) -> Result<Slice<Message>, Fault> {
    let fits = |message: &Message| {
        let extras = &message.extras;
        filter.topic.as_ref().is_none_or(|topic| message.topic.as_ref() == Some(topic))
            && filter.ordering_key.as_ref().is_none_or(|key| extras.ordering_key.as_ref() == Some(key))
            && filter.metadata.iter().all(|(name, value)| extras.metadata.get(name) == Some(value))
            && filter.rejected.is_none_or(|rejected| extras.rejection.is_some() == rejected)
    };
    let (since, until) = bounds(filter.since, filter.until, asked);
    let sql = if filter.tenant.is_some() { sql!("message/page_of_tenant") } else { sql!("message/page") };
    let mut statement = connection.prepare_cached(sql)?;
    let found = match &filter.tenant {
        Some(tenant) => statement.query(params![until, since, tenant.as_str()])?,
        None => statement.query([until, since])?,
    };
    page(found, asked, rows::message, |message| message.id.bits(), fits)
}

/// The bounds of a list by id: from the first on, and before the second.
pub(crate) fn bounds(since: Option<Timestamp>, until: Option<Timestamp>, asked: Page) -> ([u8; 16], [u8; 16]) {
    let since = since.map_or(0, rows::bits_from);
    let until = until.map_or(u128::MAX, rows::bits_from).min(asked.before.unwrap_or(u128::MAX));
    (since.to_be_bytes(), until.to_be_bytes())
}
