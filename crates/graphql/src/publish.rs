//! Publishing: one message or many, and taking one back.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use bytes::Bytes;
use posthaste_core::cloudevents::parse_structured;
use posthaste_engine::ingest::{Draft, Envelope, Receipt as Accepted};
use posthaste_engine::{EngineError, FieldError, document as reader};
use serde::Serialize;

use crate::failure::camel_pointer;
use crate::scalars::{AnyJson, DateTime, id};
use crate::{document, visit};

/// A message to be published. One of `topic`, `endpointIds`, `urls` says whom it is for; one of `payload`,
/// `payloadText`, `payloadBase64` is needed.
#[derive(InputObject, Serialize)]
pub struct MessageInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// Exactly these endpoints, by id or `uid:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_ids: Option<Vec<ID>>,
    /// Exactly these URLs.
    #[serde(skip_serializing_if = "Option::is_none")]
    urls: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    /// Any JSON; null is the JSON null. It is written anew: give `payloadText` where every byte counts.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    payload: MaybeUndefined<AnyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Names and values that win over the endpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<AnyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<String>,
    /// Makes a repetition of this publish the same publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    /// Names and texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<AnyJson>,
}

/// The answer to a publish: the message is committed.
#[derive(SimpleObject)]
pub struct Receipt {
    id: ID,
    tenant: String,
    topic: Option<String>,
    /// How many deliveries it has; null for a duplicate whose original is no longer kept.
    deliveries: Option<u32>,
    /// Whether the idempotency key had been used: nothing new was stored.
    duplicate: bool,
    created_at: DateTime,
}

impl From<Accepted> for Receipt {
    fn from(receipt: Accepted) -> Self {
        let Accepted { id: message, tenant, topic, deliveries, duplicate } = receipt;
        Self {
            id: id(message),
            tenant: tenant.into(),
            topic: topic.map(String::from),
            deliveries,
            duplicate,
            created_at: message.timestamp().into(),
        }
    }
}

/// What became of one message of a batch.
#[derive(SimpleObject)]
pub struct BatchItem {
    /// It is committed.
    receipt: Option<Receipt>,
    /// It was refused; its neighbours were not.
    error: Option<Problem>,
}

impl BatchItem {
    /// What became of the item that stands at this place of the argument.
    fn new(argument: &str, index: usize, outcome: Result<Accepted, EngineError>) -> Self {
        match outcome {
            Ok(accepted) => Self { receipt: Some(Receipt::from(accepted)), error: None },
            Err(refused) => {
                let mut problem = Problem::from(refused);
                for fault in &mut problem.errors {
                    fault.pointer.insert_str(0, &format!("/{argument}/{index}"));
                }
                Self { receipt: None, error: Some(problem) }
            }
        }
    }
}

/// Why something was refused.
#[derive(SimpleObject)]
pub struct Problem {
    /// A stable word for programs.
    code: String,
    /// What REST would answer.
    status: u16,
    detail: String,
    /// Member by member.
    errors: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(SimpleObject)]
pub struct Fault {
    /// A JSON pointer into the arguments.
    pointer: String,
    detail: String,
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let (code, status, detail) = (error.code().to_owned(), error.status().as_u16(), error.to_string());
        let fault = |field: FieldError| Fault { pointer: camel_pointer(&field.pointer), detail: field.detail };
        let errors = if let EngineError::Invalid(fields) = error { fields } else { Vec::new() };
        Self { code, status, detail, errors: errors.into_iter().map(fault).collect() }
    }
}

/// The draft that a text says, and what goes with it.
fn draft(text: &Bytes) -> Result<(Draft<'_>, Envelope), EngineError> {
    let envelope = Envelope { body: Some(text.clone()), request_bytes: text.clone(), ..Envelope::default() };
    Ok((reader::read_text(text)?, envelope))
}

#[derive(Default)]
pub struct PublishMutations;

/// Publishing.
#[Object]
impl PublishMutations {
    /// Publishes a message. The answer comes after the commit.
    #[graphql(complexity = "10 + child_complexity")]
    async fn publish(&self, context: &Context<'_>, input: MessageInput) -> Result<Option<Receipt>> {
        let visit = visit::of(context);
        let text = Bytes::from(document::text_of(&input)?);
        let (draft, envelope) = draft(&text)?;
        Ok(Some(visit.engine().publish(&visit.caller, draft, envelope).await?.into()))
    }

    /// Publishes 1 to 500 messages, each accepted or refused for itself; answers in the order given.
    #[graphql(complexity = "500 + child_complexity")]
    async fn publish_batch(
        &self,
        context: &Context<'_>,
        messages: Vec<MessageInput>,
    ) -> Result<Option<Vec<BatchItem>>> {
        let visit = visit::of(context);
        let texts: Vec<Bytes> =
            messages.iter().map(|input| document::text_of(input).map(Bytes::from)).collect::<Result<_, _>>()?;
        let outcomes = visit.engine().publish_all(&visit.caller, texts.iter().map(draft).collect()).await?;
        let item = |(index, outcome)| BatchItem::new("messages", index, outcome);
        Ok(Some(outcomes.into_iter().enumerate().map(item).collect()))
    }

    /// Publishes a CloudEvent in its JSON format: `type` is the topic; `source` and `id` together make a repetition the
    /// same event. Its data is written anew: give `data_base64` where every byte counts.
    #[graphql(complexity = "10 + child_complexity")]
    async fn publish_event(
        &self,
        context: &Context<'_>,
        event: AnyJson,
        tenant: Option<String>,
    ) -> Result<Option<Receipt>> {
        let visit = visit::of(context);
        let text = document::text_of(&event)?;
        let event = parse_structured(&text).map_err(EngineError::from)?;
        Ok(Some(visit.engine().publish_event(&visit.caller, tenant.as_deref(), event, None).await?.into()))
    }

    /// Publishes 1 to 500 CloudEvents, each accepted or refused for itself; answers in the order given.
    #[graphql(complexity = "500 + child_complexity")]
    async fn publish_events(
        &self,
        context: &Context<'_>,
        events: Vec<AnyJson>,
        tenant: Option<String>,
    ) -> Result<Option<Vec<BatchItem>>> {
        let visit = visit::of(context);
        let texts: Vec<Vec<u8>> = events.iter().map(document::text_of).collect::<Result<_, _>>()?;
        let events = texts.iter().map(|text| parse_structured(text)).collect();
        let outcomes = visit.engine().publish_events(&visit.caller, tenant.as_deref(), events, None).await?;
        let item = |(index, outcome)| BatchItem::new("events", index, outcome);
        Ok(Some(outcomes.into_iter().enumerate().map(item).collect()))
    }

    /// Ends what is still pending of a message; says how many deliveries those were.
    async fn cancel_message(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<usize>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().cancel_message(&visit.caller, tenant.as_deref(), &id).await?))
    }
}
