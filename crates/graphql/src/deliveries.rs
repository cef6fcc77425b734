//! Deliveries: messages owed to endpoints, and what became of them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use posthaste_core::{DeliveryId, EndpointId, Timestamp, TopicName};
use posthaste_engine::deliveries::DeliveryDetail;
use posthaste_store::history::DeliveryFilter;
use posthaste_store::relations::Captures;

use crate::attempts::Attempt;
use crate::endpoints::Endpoint;
use crate::messages::Message;
use crate::page::{self, NESTED, Paged, Place, TOP};
use crate::related::AttemptsOf;
use crate::scalars::{DateTime, id, read};
use crate::visit;
use crate::words::{CloseReason, DeliveryStatus, WaitingFor};

/// One message owed to one endpoint.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Delivery {
    #[graphql(skip)]
    of: (DeliveryId, EndpointId),
    id: ID,
    message_id: ID,
    endpoint_id: ID,
    /// The endpoint's revision when the message was accepted.
    endpoint_revision: u32,
    tenant: String,
    topic: Option<String>,
    /// Where it goes; null if the endpoint's record is gone.
    url: Option<String>,
    status: DeliveryStatus,
    /// Since when.
    status_at: DateTime,
    /// Why it ended without success.
    reason: Option<CloseReason>,
    /// How many exchanges were made.
    attempt_count: u32,
    next_attempt_at: Option<DateTime>,
    /// Why it waits.
    waiting_for: Option<WaitingFor>,
    last_status_code: Option<u16>,
    last_error: Option<String>,
    created_at: DateTime,
    finished_at: Option<DateTime>,
}

impl From<DeliveryDetail> for Delivery {
    fn from(detail: DeliveryDetail) -> Self {
        let outline = detail.outline();
        let DeliveryDetail { delivery, url, waiting_for, next_attempt_at } = detail;
        Self {
            of: (delivery.id, delivery.endpoint),
            id: id(delivery.id),
            message_id: id(delivery.id.message()),
            endpoint_id: id(delivery.endpoint),
            endpoint_revision: delivery.endpoint_revision,
            tenant: delivery.tenant.into(),
            topic: delivery.topic.map(String::from),
            url,
            status: outline.status.into(),
            status_at: outline.status_at.into(),
            reason: outline.reason.map(CloseReason::from),
            attempt_count: outline.attempts,
            next_attempt_at: next_attempt_at.map(DateTime),
            waiting_for: waiting_for.map(WaitingFor::from),
            last_status_code: outline.last_status_code,
            last_error: outline.last_error,
            created_at: outline.created_at.into(),
            finished_at: outline.finished_at.map(DateTime),
        }
    }
}

#[ComplexObject]
impl Delivery {
    /// The message; null once it is past its age.
    async fn message(&self, context: &Context<'_>) -> Result<Option<Message>> {
        let found = visit::of(context).message(self.of.0.message()).await?;
        Ok(found.map(|known| Message::from(&*known)))
    }

    /// The endpoint; null once it is deleted.
    async fn endpoint(&self, context: &Context<'_>) -> Result<Option<Arc<Endpoint>>> {
        Ok(visit::of(context).endpoint(self.of.1).await?)
    }

    /// Its exchanges.
    #[graphql(complexity = "page::cost(limit, NESTED, child_complexity)")]
    async fn attempts(
        &self,
        context: &Context<'_>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Attempt>>> {
        let visit = visit::of(context);
        let place = Place::read("attempts", &self.id, limit, NESTED, cursor.as_deref())?;
        if place.page.before.is_some() {
            let _room = visit.read().await?;
            return Ok(Some(place.show(visit.engine().attempts(&visit.caller, &self.id, place.page).await?)));
        }
        let responses = context.look_ahead().field("data").field("response").exists();
        let captures = if responses { Captures::Read } else { Captures::Left };
        let of = AttemptsOf { parent: self.of.0, limit: place.page.limit, captures };
        Ok(Some(place.show(visit.attempts_of(of).await?)))
    }
}

#[derive(Default)]
pub struct DeliveryQueries;

/// Reading deliveries and attempts.
#[Object]
impl DeliveryQueries {
    /// Deliveries; those that are `FAILED` are the dead letters.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each filter is an argument")]
    async fn deliveries(
        &self,
        context: &Context<'_>,
        status: Option<DeliveryStatus>,
        endpoint_id: Option<ID>,
        message_id: Option<ID>,
        topic: Option<String>,
        tenant: Option<String>,
        since: Option<DateTime>,
        until: Option<DateTime>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Delivery>>> {
        let visit = visit::of(context);
        let filter = DeliveryFilter {
            tenant: visit.caller.tenant_filter(tenant.as_deref())?,
            message: read("messageId", message_id.as_deref().map(String::as_str))?,
            endpoint: read("endpointId", endpoint_id.as_deref().map(String::as_str))?,
            status: status.map(Into::into),
            topic: read::<TopicName>("topic", topic.as_deref())?,
            since: since.map(Timestamp::from),
            until: until.map(Timestamp::from),
        };
        let place = Place::read("deliveries", &filter, limit, TOP, cursor.as_deref())?;
        Ok(Some(place.show(visit.engine().deliveries(&visit.caller, filter, place.page).await?)))
    }

    /// One delivery.
    async fn delivery(&self, context: &Context<'_>, id: ID) -> Result<Option<Delivery>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().delivery(&visit.caller, &id).await?.into()))
    }

    /// One attempt.
    async fn attempt(&self, context: &Context<'_>, id: ID) -> Result<Option<Attempt>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().attempt(&visit.caller, &id).await?.into()))
    }
}

#[derive(Default)]
pub struct DeliveryMutations;

/// Retrying and cancelling.
#[Object]
impl DeliveryMutations {
    /// Begins a fresh schedule now, also of a succeeded delivery; `webhook-id` stays the same.
    async fn retry_delivery(&self, context: &Context<'_>, id: ID) -> Result<Option<Delivery>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().retry_delivery(&visit.caller, &id).await?.into()))
    }

    /// Ends a pending delivery.
    async fn cancel_delivery(&self, context: &Context<'_>, id: ID) -> Result<Option<Delivery>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().cancel_delivery(&visit.caller, &id).await?.into()))
    }
}
