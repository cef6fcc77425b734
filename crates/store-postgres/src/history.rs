//! [`History`]: what happened, newest first. A page is read in one snapshot, however many statements that takes.

mod candidates;
mod counts;

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::{
    Attempt, AttemptId, Capture, Delivery, DeliveryId, EndpointId, Message, MessageId, Target, Tenant, Timestamp,
};
use posthaste_store::history::{DeliveryFilter, EndpointActivity, MAX_EXAMINED, MessageFilter, Stats};
use posthaste_store::{History, Page, Result, Slice};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::cancel::stored_message;
use crate::capture;
use crate::catalog::SNAPSHOT;
use crate::param::Uuid;
use crate::place::{Found, Wanted};
use crate::rows::{attempt, get, message};
use crate::session::{Call, Session};

use candidates::{Bounds, Search, Window};

#[async_trait]
impl History for PostgresStore {
    async fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Slice<Message>> {
        let session = self.working.take().await?;
        let bounds = begin(&session).await?;
        let slice = candidates::messages(&session, bounds, filter, page).await?;
        session.commit(Vec::new()).await?;
        Ok(slice)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        let session = self.working.take().await?;
        stored_message(&session, id).await
    }

    async fn message_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Message>> {
        let session = self.working.take().await?;
        let rows = session.query(include_str!("../sql/message_by_uid.sql"), &[&tenant.as_str(), &uid]).await?;
        rows.first().map(|row| message(row, 0)).transpose()
    }

    async fn payload(&self, id: MessageId) -> Result<Option<Bytes>> {
        let session = self.working.take().await?;
        let rows = session.query("SELECT body FROM posthaste.payload WHERE id = $1", &[&Uuid::from(id)]).await?;
        rows.first().map(|row| Ok(Bytes::copy_from_slice(get(row, 0)?))).transpose()
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: Page) -> Result<Slice<Delivery>> {
        let session = self.working.take().await?;
        let bounds = begin(&session).await?;
        let slice = list(&session, bounds, filter, page).await?;
        session.commit(Vec::new()).await?;
        Ok(slice)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        let session = self.working.take().await?;
        let Some(message) = stored_message(&session, id.message()).await? else { return Ok(None) };
        let Some(target) = message.target(id).filter(|target| target.endpoint.bits() != 0) else { return Ok(None) };
        let mut wanted = Wanted::default();
        wanted.push(id, target, message.batch);
        let found = wanted.find(&session).await?;
        Ok(found.into_iter().next().map(|found| shown(&message, id, target, found)))
    }

    async fn attempts(&self, delivery: DeliveryId, page: Page) -> Result<Slice<(Attempt, Option<Capture>)>> {
        let session = self.working.take().await?;
        let end = Uuid(delivery.last_child_bits() + 1);
        let before = page.before.map_or(end, |before| Uuid(before).min(end));
        let limit = i64::from(page.limit.max(1)) + 1;
        let rows =
            session.query(include_str!("../sql/attempts.sql"), &[&Uuid::from(delivery), &before, &limit]).await?;
        crate::directory::slice(&rows, page, |row| exchange(row, 0))
    }

    async fn attempt(&self, id: AttemptId) -> Result<Option<(Attempt, Option<Capture>)>> {
        let session = self.working.take().await?;
        let end = Uuid(id.bits().saturating_add(1));
        let rows = session.query(include_str!("../sql/attempts.sql"), &[&Uuid::from(id), &end, &1i64]).await?;
        rows.first().map(|row| exchange(row, 0)).transpose()
    }

    async fn endpoint_activity(&self, endpoint: EndpointId, since: Timestamp) -> Result<EndpointActivity> {
        let session = self.working.take().await?;
        counts::activity(&session, endpoint, since).await
    }

    async fn stats(&self, tenant: Option<&Tenant>) -> Result<Stats> {
        let session = self.working.take().await?;
        counts::stats(&session, tenant).await
    }
}

/// An attempt and what was kept of its response, from a column on.
pub(crate) fn exchange(row: &Row, first: usize) -> Result<(Attempt, Option<Capture>)> {
    let packed: Option<&[u8]> = get(row, first + 10)?;
    Ok((attempt(row, first)?, packed.and_then(capture::unpack)))
}

fn shown(message: &Message, id: DeliveryId, target: Target, found: Found) -> Delivery {
    Delivery {
        id,
        endpoint: target.endpoint,
        endpoint_revision: target.revision,
        tenant: message.tenant.clone(),
        topic: message.topic.clone(),
        deliver_at: message.deliver_at,
        placement: found.placement(),
    }
}

/// Opens the snapshot of a page.
async fn begin(session: &Session) -> Result<Bounds> {
    Bounds::read(&session.open(SNAPSHOT, vec![Call::Query(Bounds::CALL, Vec::new())]).await?)
}

/// Goes through candidates, newest first, until the page is full, nothing is left, or enough was examined.
async fn list(session: &Session, bounds: Bounds, filter: &DeliveryFilter, page: Page) -> Result<Slice<Delivery>> {
    let mut items: Vec<Delivery> = Vec::new();
    let limit = usize::try_from(page.limit.max(1)).unwrap_or(usize::MAX);
    let mut search = Search::begin(session, bounds, filter).await?;
    let mut window = Window::of(filter.since, filter.until, page.before);
    let mut left = usize::try_from(MAX_EXAMINED).unwrap_or(usize::MAX);
    let mut step = limit.clamp(64, 500);
    while !window.is_empty() && left > 0 {
        let reach = search.step(session, window, step.min(left)).await?;
        let mut wanted: Vec<(DeliveryId, Target, &Message)> = Vec::new();
        for (delivery, message) in reach.candidates.iter().take(left) {
            let Some(target) = message.target(*delivery) else { continue };
            if candidates::wants(filter, message, target) {
                wanted.push((*delivery, target, message));
            }
        }
        let examined = reach.candidates.len().max(reach.examined);
        let cut = reach.candidates.get(left.saturating_sub(1)).map(|(delivery, _)| delivery.bits());
        for chunk in wanted.chunks(500) {
            for delivery in placed(session, chunk).await? {
                if filter.status.is_some_and(|status| delivery.status() != status) {
                    continue;
                }
                items.push(delivery);
                if items.len() == limit {
                    let next = items.last().map(|delivery| delivery.id.bits());
                    let last = reach.candidates.last().map(|(delivery, _)| delivery.bits());
                    let more = reach.frontier.is_some() || last != next;
                    return Ok(Slice { items, next: next.filter(|_| more) });
                }
            }
        }
        if examined >= left {
            let next = if reach.candidates.len() > left { cut } else { reach.frontier };
            return Ok(Slice { items, next });
        }
        left -= examined;
        match reach.frontier {
            Some(frontier) => window.before = frontier,
            None => return Ok(Slice { items, next: None }),
        }
        step = (step * 2).min(1_000);
    }
    Ok(Slice { items, next: None })
}

/// Deliveries of messages that were read already, with their places; at most some hundreds at once.
pub(crate) async fn placed(session: &Session, wanted: &[(DeliveryId, Target, &Message)]) -> Result<Vec<Delivery>> {
    let mut query = Wanted::default();
    for (delivery, target, message) in wanted {
        query.push(*delivery, *target, message.batch);
    }
    let rows = session.pipeline(vec![query.call()]).await?;
    let found = rows.first().map_or(&[][..], Vec::as_slice).iter().map(Found::read).collect::<Result<Vec<_>>>()?;
    let mut found: std::collections::HashMap<DeliveryId, Found> =
        found.into_iter().map(|found| (found.delivery, found)).collect();
    let shown = wanted.iter().filter_map(|(delivery, target, message)| {
        found.remove(delivery).map(|found| shown(message, *delivery, *target, found))
    });
    Ok(shown.collect())
}

/// One statement of a pipeline, alone.
async fn one(session: &Session, call: Call<'_>) -> Result<Vec<Row>> {
    Ok(session.pipeline(vec![call]).await?.pop().unwrap_or_default())
}
