//! [`Relations`]: many at once, each by a statement that stays prepared, all of them in one snapshot.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{Attempt, Capture, Delivery, DeliveryId, Endpoint, EndpointId, Message, MessageId, Tenant};
use posthaste_store::history::{DeliveryFilter, MAX_EXAMINED};
use posthaste_store::relations::{Captures, FirstPages, Firsts, Payloads};
use posthaste_store::{Page, Relations, Result};
use rusqlite::{Connection, params};

use crate::fault::Fault;
use crate::{SqliteStore, accept, endpoints, history, lists, place, rows};

/// How many rows are examined for all parents together, so that a reading connection is not kept for long.
const EXAMINED: u32 = 4 * MAX_EXAMINED;

#[async_trait]
impl Relations for SqliteStore {
    async fn messages_by_id(&self, tenant: Option<&Tenant>, ids: &[MessageId]) -> Result<Vec<Message>> {
        let (tenant, ids) = (tenant.cloned(), ids.to_vec());
        self.read(move |connection| {
            let found = ids.iter().map(|id| message(connection, tenant.as_ref(), *id));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn payloads_by_id(&self, tenant: Option<&Tenant>, ids: &[MessageId], most_bytes: u64) -> Result<Payloads> {
        let (tenant, ids) = (tenant.cloned(), ids.to_vec());
        self.read(move |connection| payloads(connection, tenant.as_ref(), &ids, most_bytes)).await
    }

    async fn endpoints_by_id(&self, tenant: Option<&Tenant>, ids: &[EndpointId]) -> Result<Vec<Endpoint>> {
        let (tenant, ids) = (tenant.cloned(), ids.to_vec());
        self.read(move |connection| {
            let found = ids.iter().map(|id| endpoints::get(connection, *id));
            let found: Vec<Endpoint> = found.filter_map(Result::transpose).collect::<Result<_, Fault>>()?;
            Ok(found.into_iter().filter(|endpoint| is_of(tenant.as_ref(), &endpoint.tenant)).collect())
        })
        .await
    }

    async fn endpoint_revisions(
        &self,
        wanted: &[(EndpointId, u32)],
    ) -> Result<HashMap<(EndpointId, u32), EndpointSettings>> {
        let wanted = wanted.to_vec();
        self.read(move |connection| {
            let mut settings = HashMap::new();
            let mut statement = connection.prepare_cached(sql!("endpoint/revision"))?;
            for (endpoint, revision) in wanted {
                let mut found = statement.query(params![endpoint.to_bytes(), revision])?;
                if let Some(row) = found.next()? {
                    settings.insert((endpoint, revision), rows::document(row, 0)?);
                }
            }
            Ok(settings)
        })
        .await
    }

    async fn deliveries_by_id(&self, tenant: Option<&Tenant>, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
        let (tenant, ids) = (tenant.cloned(), ids.to_vec());
        self.read(move |connection| {
            let mut messages = Messages::new(connection, tenant.as_ref());
            let mut deliveries = Vec::with_capacity(ids.len());
            for id in ids {
                let Some(message) = messages.get(id.message())? else { continue };
                deliveries.extend(place::delivery(connection, id, message)?);
            }
            Ok(deliveries)
        })
        .await
    }

    async fn deliveries_of_messages(
        &self,
        firsts: &Firsts,
        messages: &[MessageId],
    ) -> Result<FirstPages<MessageId, Delivery>> {
        let of = |id: &MessageId| (*id, DeliveryFilter { message: Some(*id), ..filter(firsts) });
        self.first_pages(firsts, messages.iter().map(of).collect()).await
    }

    async fn deliveries_of_endpoints(
        &self,
        firsts: &Firsts,
        endpoints: &[EndpointId],
    ) -> Result<FirstPages<EndpointId, Delivery>> {
        let of = |id: &EndpointId| (*id, DeliveryFilter { endpoint: Some(*id), ..filter(firsts) });
        self.first_pages(firsts, endpoints.iter().map(of).collect()).await
    }

    async fn attempts_of(
        &self,
        tenant: Option<&Tenant>,
        deliveries: &[DeliveryId],
        limit: u32,
        captures: Captures,
    ) -> Result<FirstPages<DeliveryId, (Attempt, Option<Capture>)>> {
        let (tenant, deliveries) = (tenant.cloned(), deliveries.to_vec());
        self.read(move |connection| {
            let mut messages = Messages::new(connection, tenant.as_ref());
            let mut pages = HashMap::with_capacity(deliveries.len());
            for delivery in deliveries {
                let Some(message) = messages.get(delivery.message())? else { continue };
                let page = history::attempts(connection, message, delivery, Page::first(limit), captures)?;
                pages.insert(delivery, page);
            }
            Ok(pages)
        })
        .await
    }
}

impl SqliteStore {
    async fn first_pages<K>(
        &self,
        firsts: &Firsts,
        filters: Vec<(K, DeliveryFilter)>,
    ) -> Result<FirstPages<K, Delivery>>
    where
        K: Eq + std::hash::Hash + Send + 'static,
    {
        let page = Page::first(firsts.limit);
        let parents = u32::try_from(filters.len()).unwrap_or(u32::MAX).max(1);
        let least = u32::try_from(firsts.examined(filters.len())).unwrap_or(u32::MAX);
        let most = (EXAMINED / parents).max(least).min(MAX_EXAMINED);
        self.read(move |connection| {
            let page = |(key, filter)| Ok((key, lists::deliveries(connection, &filter, page, most)?));
            filters.into_iter().map(page).collect()
        })
        .await
    }
}

fn filter(firsts: &Firsts) -> DeliveryFilter {
    DeliveryFilter { tenant: firsts.tenant.clone(), status: firsts.status, ..DeliveryFilter::default() }
}

fn is_of(tenant: Option<&Tenant>, owner: &Tenant) -> bool {
    tenant.is_none_or(|tenant| tenant == owner)
}

fn message(connection: &Connection, tenant: Option<&Tenant>, id: MessageId) -> Result<Option<Message>, Fault> {
    Ok(accept::message(connection, id)?.filter(|message| is_of(tenant, &message.tenant)))
}

/// Messages one after the other. The last one is kept: deliveries are asked for in order, and a message with a hundred
/// thousand of them is not read for each.
struct Messages<'a> {
    connection: &'a Connection,
    tenant: Option<&'a Tenant>,
    last: Option<(MessageId, Option<Message>)>,
}

impl<'a> Messages<'a> {
    const fn new(connection: &'a Connection, tenant: Option<&'a Tenant>) -> Self {
        Self { connection, tenant, last: None }
    }

    fn get(&mut self, id: MessageId) -> Result<Option<&Message>, Fault> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
            self.last = Some((id, message(self.connection, self.tenant, id)?));
        }
        Ok(self.last.as_ref().and_then(|(_, message)| message.as_ref()))
    }
}

fn payloads(
    connection: &Connection,
    tenant: Option<&Tenant>,
    ids: &[MessageId],
    most_bytes: u64,
) -> Result<Payloads, Fault> {
    let mut payloads = Payloads { found: HashMap::new(), looked_at: ids.len() };
    let mut statement = connection.prepare_cached(sql!("relations/payload"))?;
    let mut bytes: u64 = 0;
    for (index, id) in ids.iter().enumerate() {
        let mut found = statement.query(params![id.to_bytes(), tenant.map(Tenant::as_str)])?;
        let Some(row) = found.next()? else { continue };
        let body = row.get_ref(0)?.as_blob().map_err(|_| Fault::Unreadable("a payload"))?;
        bytes = bytes.saturating_add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        if bytes > most_bytes && !payloads.found.is_empty() {
            payloads.looked_at = index;
            break;
        }
        payloads.found.insert(*id, Bytes::copy_from_slice(body));
    }
    Ok(payloads)
}
