//! Messages: accepted events, looked at and withdrawn.

use async_graphql::{ComplexObject, Context, ID, Json, Object, Result, SimpleObject};
use posthaste_core::{MessageId, Timestamp, TopicName};
use posthaste_engine::EngineError;
use posthaste_engine::deliveries::MessageDetail;
use posthaste_engine::explain::Explained;
use posthaste_store::history::{DeliveryFilter, MessageFilter};
use serde_json::Value;

use crate::attempts::texts;
use crate::deliveries::Delivery;
use crate::page::{self, NESTED, Paged, Place, TOP};
use crate::related::{DeliveriesOf, Known};
use crate::scalars::{AnyJson, DateTime, id, notes, read};
use crate::visit;
use crate::words::DeliveryStatus;

/// An accepted event.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Message {
    #[graphql(skip)]
    key: MessageId,
    id: ID,
    tenant: String,
    topic: Option<String>,
    /// The caller's own id.
    uid: Option<String>,
    content_type: String,
    /// Headers that win over the endpoint's.
    headers: AnyJson,
    deliver_at: Option<DateTime>,
    expires_at: Option<DateTime>,
    ordering_key: Option<String>,
    metadata: AnyJson,
    /// How many deliveries it has.
    delivery_count: usize,
    /// Where it came from: an object with `kind` and what belongs to it.
    origin: AnyJson,
    /// Why it was refused after it had been taken, as a problem; only where no caller waited for the answer.
    rejection: Option<AnyJson>,
    created_at: DateTime,
}

impl Message {
    /// A message with so many deliveries, whose targets may have been left out.
    fn new(message: &posthaste_core::Message, deliveries: usize) -> Self {
        let extras = message.extras.clone();
        Self {
            key: message.id,
            id: id(message.id),
            tenant: message.tenant.clone().into(),
            topic: message.topic.clone().map(String::from),
            uid: extras.uid,
            content_type: message.content_type.clone(),
            headers: notes(extras.headers),
            deliver_at: message.deliver_at.map(DateTime),
            expires_at: extras.expires_at.map(DateTime),
            ordering_key: extras.ordering_key,
            metadata: notes(extras.metadata),
            delivery_count: deliveries,
            origin: Json(serde_json::to_value(extras.origin).unwrap_or_default()),
            rejection: extras.rejection.map(Json),
            created_at: message.created_at().into(),
        }
    }
}

impl From<posthaste_core::Message> for Message {
    fn from(message: posthaste_core::Message) -> Self {
        Self::new(&message, message.targets.len())
    }
}

impl From<&Known> for Message {
    fn from(known: &Known) -> Self {
        Self::new(&known.message, known.deliveries)
    }
}

impl From<MessageDetail> for Message {
    fn from(detail: MessageDetail) -> Self {
        detail.message.into()
    }
}

/// A payload in the one form that it has.
#[derive(SimpleObject, Default)]
pub struct Payload {
    /// Where it is JSON. Numbers that JSON's own type of this server cannot hold exactly are in `text` as they were.
    json: Option<AnyJson>,
    /// Where it is UTF-8, JSON too: exactly as it was given.
    text: Option<String>,
    /// Where it is not.
    base64: Option<String>,
}

#[ComplexObject]
impl Message {
    /// The payload; null once it is past its age.
    async fn payload(&self, context: &Context<'_>) -> Result<Option<Payload>> {
        let visit = visit::of(context);
        let Some(bytes) = visit.payload(self.key).await? else {
            return Ok(None);
        };
        visit.show(bytes.len())?;
        let (text, base64) = texts(bytes);
        let essence = self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let says_json = essence == "application/json" || essence.ends_with("+json");
        // A content type may say JSON where the bytes do not.
        let json = text.as_deref().filter(|_| says_json).and_then(|text| serde_json::from_str::<Value>(text).ok());
        Ok(Some(Payload { json: json.map(Json), text, base64 }))
    }

    /// Its deliveries.
    #[graphql(complexity = "page::cost(limit, NESTED, child_complexity)")]
    async fn deliveries(
        &self,
        context: &Context<'_>,
        status: Option<DeliveryStatus>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Delivery>>> {
        let visit = visit::of(context);
        let filter = DeliveryFilter {
            tenant: visit.caller.tenant.clone(),
            message: Some(self.key),
            status: status.map(Into::into),
            ..DeliveryFilter::default()
        };
        let place = Place::read("deliveries", &filter, limit, NESTED, cursor.as_deref())?;
        if place.page.before.is_some() {
            let _room = visit.read().await?;
            return Ok(Some(place.show(visit.engine().deliveries(&visit.caller, filter, place.page).await?)));
        }
        let of = DeliveriesOf { parent: self.key, status: filter.status, limit: place.page.limit };
        Ok(Some(place.show(visit.deliveries_of_message(of).await?)))
    }

    /// For each endpoint of its tenant why it matched or not, and what happens next; at most 1000.
    #[graphql(complexity = "100 + 10 * child_complexity")]
    async fn explanation(&self, context: &Context<'_>) -> Result<Option<Vec<ExplainedEndpoint>>> {
        let visit = visit::of(context);
        let _room = visit.read().await?;
        let explained = visit.engine().explain(&visit.caller, None, &self.id).await?;
        Ok(Some(explained.into_iter().map(ExplainedEndpoint::from).collect()))
    }
}

/// One endpoint's part in a message.
#[derive(SimpleObject)]
pub struct ExplainedEndpoint {
    endpoint_id: ID,
    url: Option<String>,
    /// Whether the message is owed to it.
    matched: bool,
    /// Why, or why not.
    why: String,
    delivery: Option<Delivery>,
    /// What happens next.
    next: String,
}

impl From<Explained> for ExplainedEndpoint {
    fn from(explained: Explained) -> Self {
        let Explained { endpoint, url, matched, why, delivery, next } = explained;
        Self { endpoint_id: id(endpoint), url, matched, why, delivery: delivery.map(Delivery::from), next }
    }
}

#[derive(Default)]
pub struct MessageQueries;

/// Reading messages.
#[Object]
impl MessageQueries {
    /// Messages; `metadata` is an object of texts that all must be there.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each filter is an argument")]
    async fn messages(
        &self,
        context: &Context<'_>,
        topic: Option<String>,
        tenant: Option<String>,
        uid: Option<String>,
        ordering_key: Option<String>,
        metadata: Option<AnyJson>,
        rejected: Option<bool>,
        since: Option<DateTime>,
        until: Option<DateTime>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Message>>> {
        let visit = visit::of(context);
        let filter = MessageFilter {
            tenant: visit.caller.tenant_filter(tenant.as_deref())?,
            topic: read::<TopicName>("topic", topic.as_deref())?,
            ordering_key,
            metadata: metadata.map(|Json(value)| noted(value)).transpose()?.unwrap_or_default(),
            rejected,
            since: since.map(Timestamp::from),
            until: until.map(Timestamp::from),
        };
        let place = Place::read("messages", &(&filter, &uid), limit, TOP, cursor.as_deref())?;
        let slice = match &uid {
            None => visit.engine().messages(&visit.caller, filter, place.page).await?,
            Some(uid) => visit.engine().messages_with_uid(&visit.caller, filter, uid).await?,
        };
        Ok(Some(place.show(slice)))
    }

    /// One message, by id or `uid:…`.
    async fn message(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Message>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().message(&visit.caller, tenant.as_deref(), &id).await?.into()))
    }
}

/// Notes to look for.
fn noted(value: Value) -> Result<Vec<(String, String)>, EngineError> {
    let wrong = || EngineError::invalid("/metadata", "give an object of texts");
    let Value::Object(members) = value else { return Err(wrong()) };
    let text = |(name, value): (String, Value)| value.as_str().map(|text| (name, text.to_owned())).ok_or_else(wrong);
    members.into_iter().map(text).collect()
}
