//! [`Relations`]: many at once. What each parent has first comes by one `LATERAL` statement for all of them.

mod firsts;

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{Attempt, Capture, Delivery, DeliveryId, Endpoint, EndpointId, Message, MessageId, Tenant};
use posthaste_store::relations::{Captures, FirstPages, Firsts, Payloads};
use posthaste_store::{Relations, Result, Slice};

use crate::PostgresStore;
use crate::catalog::SNAPSHOT;
use crate::directory::endpoint;
use crate::history::{exchange, placed};
use crate::param::{Uuid, count, stored};
use crate::rows::{document, get, message};
use crate::session::Session;

#[async_trait]
impl Relations for PostgresStore {
    async fn messages_by_id(&self, tenant: Option<&Tenant>, ids: &[MessageId]) -> Result<Vec<Message>> {
        let session = self.working.take().await?;
        messages(&session, tenant, ids).await
    }

    async fn payloads_by_id(&self, tenant: Option<&Tenant>, ids: &[MessageId], most_bytes: u64) -> Result<Payloads> {
        let session = self.working.take().await?;
        let wanted: Vec<Uuid> = ids.iter().copied().map(Uuid::from).collect();
        let (tenant, most) = (tenant.map(Tenant::as_str), i64::try_from(most_bytes).unwrap_or(i64::MAX));
        let rows = session.query(include_str!("../sql/payloads_by_id.sql"), &[&wanted, &tenant, &most]).await?;
        let mut payloads = Payloads { found: HashMap::new(), looked_at: ids.len() };
        for row in &rows {
            let Some(body) = get::<Option<&[u8]>>(row, 2)? else {
                let before = get::<i64>(row, 0)? - 1;
                payloads.looked_at = usize::try_from(before).unwrap_or(0);
                break;
            };
            payloads.found.insert(get::<Uuid>(row, 1)?.id(), Bytes::copy_from_slice(body));
        }
        Ok(payloads)
    }

    async fn endpoints_by_id(&self, tenant: Option<&Tenant>, ids: &[EndpointId]) -> Result<Vec<Endpoint>> {
        let session = self.working.take().await?;
        let ids: Vec<Uuid> = ids.iter().copied().map(Uuid::from).collect();
        let tenant = tenant.map(Tenant::as_str);
        let rows = session.query(include_str!("../sql/endpoints_by_id.sql"), &[&ids, &tenant]).await?;
        rows.iter().map(endpoint).collect()
    }

    async fn endpoint_revisions(
        &self,
        wanted: &[(EndpointId, u32)],
    ) -> Result<HashMap<(EndpointId, u32), EndpointSettings>> {
        let session = self.working.take().await?;
        let (endpoints, revisions): (Vec<Uuid>, Vec<i32>) =
            wanted.iter().map(|(endpoint, revision)| (Uuid::from(*endpoint), stored(*revision))).unzip();
        let rows = session.query(include_str!("../sql/endpoint_revisions.sql"), &[&endpoints, &revisions]).await?;
        rows.iter().map(|row| Ok(((get::<Uuid>(row, 0)?.id(), count(get(row, 1)?)), document(get(row, 2)?)?))).collect()
    }

    async fn deliveries_by_id(&self, tenant: Option<&Tenant>, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
        let session = self.working.take().await?;
        session.open(SNAPSHOT, Vec::new()).await?;
        let parents: Vec<MessageId> = ids.iter().map(|id| id.message()).collect();
        let known = messages(&session, tenant, &parents).await?;
        let known: HashMap<MessageId, &Message> = known.iter().map(|message| (message.id, message)).collect();
        let wanted: Vec<_> = ids
            .iter()
            .filter_map(|id| {
                let message = *known.get(&id.message())?;
                let target = message.target(*id).filter(|target| target.endpoint.bits() != 0)?;
                Some((*id, target, message))
            })
            .collect();
        let found = placed(&session, &wanted).await?;
        session.commit(Vec::new()).await?;
        Ok(found)
    }

    async fn deliveries_of_messages(
        &self,
        firsts: &Firsts,
        messages: &[MessageId],
    ) -> Result<FirstPages<MessageId, Delivery>> {
        let session = self.working.take().await?;
        session.open(SNAPSHOT, Vec::new()).await?;
        let pages = firsts::of_messages(&session, firsts, messages).await?;
        session.commit(Vec::new()).await?;
        Ok(pages)
    }

    async fn deliveries_of_endpoints(
        &self,
        firsts: &Firsts,
        endpoints: &[EndpointId],
    ) -> Result<FirstPages<EndpointId, Delivery>> {
        let session = self.working.take().await?;
        session.open(SNAPSHOT, Vec::new()).await?;
        let pages = firsts::of_endpoints(&session, firsts, endpoints).await?;
        session.commit(Vec::new()).await?;
        Ok(pages)
    }

    async fn attempts_of(
        &self,
        tenant: Option<&Tenant>,
        deliveries: &[DeliveryId],
        limit: u32,
        captures: Captures,
    ) -> Result<FirstPages<DeliveryId, (Attempt, Option<Capture>)>> {
        let session = self.working.take().await?;
        let (first, last): (Vec<Uuid>, Vec<Uuid>) =
            deliveries.iter().map(|id| (Uuid::from(*id), Uuid(id.last_child_bits()))).unzip();
        let (tenant, captures) = (tenant.map(Tenant::as_str), captures == Captures::Read);
        let one_more = i64::from(limit.max(1)) + 1;
        let sql = include_str!("../sql/firsts_attempts.sql");
        let rows = session.query(sql, &[&first, &last, &one_more, &tenant, &captures]).await?;
        let length = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let mut pages: FirstPages<DeliveryId, (Attempt, Option<Capture>)> = HashMap::new();
        for row in &rows {
            let (attempt, capture) = exchange(row, 1)?;
            let page = pages.entry(attempt.id.delivery()).or_insert(Slice { items: Vec::new(), next: None });
            if page.items.len() == length {
                page.next = page.items.last().map(|(last, _)| last.id.bits());
            } else {
                page.items.push((attempt, capture));
            }
        }
        Ok(pages)
    }
}

/// Messages by id, as far as that tenant has them.
async fn messages(session: &Session, tenant: Option<&Tenant>, ids: &[MessageId]) -> Result<Vec<Message>> {
    let mut ids: Vec<Uuid> = ids.iter().copied().map(Uuid::from).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = session.query(include_str!("../sql/messages_by_id.sql"), &[&ids]).await?;
    let found: Vec<Message> = rows.iter().map(|row| message(row, 0)).collect::<Result<_>>()?;
    Ok(found.into_iter().filter(|message| tenant.is_none_or(|tenant| *tenant == message.tenant)).collect())
}
