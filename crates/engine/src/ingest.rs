//! The door: every message comes in here, whatever transport brought it.
//!
//! A draft is checked against every rule at once, matched against the tenant's endpoints, and handed to the group
//! commit. The answer comes only after the commit.

mod queued;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use posthaste_core::cloudevents::Attributes;
use posthaste_core::filter::Payload;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Origin, Scope, Tenant, Timestamp, TopicName};
use posthaste_store::queue::IdempotencyKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::Engine;
use crate::addressing::{Addressing, Subject};
use crate::announce;
use crate::caller::Caller;
use crate::commit::Pending;
use crate::error::{EngineError, FieldError, Result};
use crate::rules;

pub use queued::Queued;

/// How far ahead a message may be dated.
const LONGEST_DELAY: Duration = Duration::from_secs(366 * 24 * 3_600);
/// The most messages of one batch.
pub const MAX_BATCH: usize = 500;

/// A message as a caller writes it. The members are those of `POST /v1/messages`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Draft<'a> {
    /// The topic; beside `endpoint_ids` or `urls` it is only a label.
    #[serde(default, borrow)]
    pub topic: Option<Cow<'a, str>>,
    /// Exactly these endpoints, by id or `uid:…`.
    #[serde(default)]
    pub endpoint_ids: Option<Vec<String>>,
    /// Exactly these URLs.
    #[serde(default)]
    pub urls: Option<Vec<String>>,
    /// Whose message.
    #[serde(default, borrow)]
    pub tenant: Option<Cow<'a, str>>,
    /// The caller's own id.
    #[serde(default)]
    pub uid: Option<String>,
    /// The payload as JSON, its bytes kept as they are.
    #[serde(default, borrow, deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value, required = false))]
    pub payload: Option<&'a RawValue>,
    /// The payload as text.
    #[serde(default)]
    pub payload_text: Option<String>,
    /// The payload as Base64.
    #[serde(default)]
    pub payload_base64: Option<String>,
    /// The payload as it is, from a transport that has it so.
    #[serde(skip)]
    pub payload_bytes: Option<Bytes>,
    /// Its content type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Headers that win over the endpoint's.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Not to be sent before this instant.
    #[serde(default)]
    pub deliver_at: Option<Cow<'a, str>>,
    /// Not to be sent before so many seconds have passed.
    #[serde(default)]
    pub delay_seconds: Option<f64>,
    /// Not to be sent after this instant.
    #[serde(default)]
    pub expires_at: Option<Cow<'a, str>>,
    /// The caller's label of what belongs in order.
    #[serde(default)]
    pub ordering_key: Option<String>,
    /// Makes a repetition of this publish the same publish.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// The caller's own notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `null` is a payload too: the JSON null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What comes with a draft that is not part of it.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// The bytes of the whole request, if the payload may be a slice of them instead of a copy.
    pub body: Option<Bytes>,
    /// An idempotency key beside the draft's (a header).
    pub idempotency_key: Option<String>,
    /// SHA-256 of the request's bytes; computed only when there is a key.
    pub request_bytes: Bytes,
    /// Where the message comes from.
    pub origin: Origin,
    /// The attributes of the CloudEvent that it came as.
    pub cloudevent: Attributes,
    /// The publisher's trace, to go on in the deliveries.
    pub traceparent: Option<String>,
}

/// The answer to a publish: committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The message.
    pub id: posthaste_core::MessageId,
    /// Whose.
    pub tenant: Tenant,
    /// Its topic.
    pub topic: Option<TopicName>,
    /// How many deliveries it has; `None` if the original of a duplicate is no longer kept.
    pub deliveries: Option<u32>,
    /// Whether the idempotency key had been used: nothing new was stored.
    pub duplicate: bool,
}

impl Engine {
    /// Accepts one message: returns once it is committed.
    pub async fn publish(&self, caller: &Caller, draft: Draft<'_>, envelope: Envelope) -> Result<Receipt> {
        self.queue(caller, draft, envelope).await?.committed().await
    }

    /// Puts one message into the queue of the next group commit. Those that one task queues keep their order.
    pub async fn queue(&self, caller: &Caller, draft: Draft<'_>, envelope: Envelope) -> Result<Queued> {
        caller.require(Scope::Publish)?;
        self.enqueue(caller, Ok((draft, envelope))).await
    }

    /// Accepts many messages, each for itself: one that is refused does not hold up its neighbours. They are queued in
    /// the order given and share group commits; the answers stand in that order too.
    pub async fn publish_all(
        &self,
        caller: &Caller,
        drafts: Vec<Result<(Draft<'_>, Envelope)>>,
    ) -> Result<Vec<Result<Receipt>>> {
        caller.require(Scope::Publish)?;
        if drafts.is_empty() || drafts.len() > MAX_BATCH {
            return Err(EngineError::invalid("/messages", format!("give 1 to {MAX_BATCH} messages")));
        }
        let mut waiting = Vec::with_capacity(drafts.len());
        for draft in drafts {
            waiting.push(self.enqueue(caller, draft).await);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(match answer {
                Ok(queued) => queued.committed().await,
                Err(refused) => Err(refused),
            });
        }
        Ok(answers)
    }

    async fn enqueue(&self, caller: &Caller, draft: Result<(Draft<'_>, Envelope)>) -> Result<Queued> {
        if self.is_stopping() {
            return Err(STOPPING);
        }
        // Without a fresh lease the database has not answered for a while; nobody waits in vain.
        if self.0.lease.may_send().is_none() {
            return Err(EngineError::Unavailable);
        }
        let (draft, envelope) = draft?;
        let (pending, answer) = self.check(caller, draft, envelope).await?;
        self.submit(pending)?;
        Ok(Queued::new(answer))
    }

    /// Checks a draft against every rule and matches it.
    pub(crate) async fn check(
        &self,
        caller: &Caller,
        draft: Draft<'_>,
        envelope: Envelope,
    ) -> Result<(Pending, oneshot::Receiver<Result<Receipt>>)> {
        let tenant = caller.tenant_for(draft.tenant.as_deref())?;
        let now = self.0.clock.now();
        let mut errors = Vec::new();
        let topic = parse_topic(draft.topic.as_deref(), &mut errors);
        let (payload, default_type) = self.read_payload(&draft, envelope.body.as_ref(), &mut errors)?;
        let deliver_at = due_time(&draft, now, &mut errors);
        let expires_at = expiry(draft.expires_at.as_deref(), deliver_at.unwrap_or(now), &mut errors);
        rules::message_headers(&draft.headers, &mut errors);
        rules::metadata(&draft.metadata, &mut errors);
        rules::short_text("/uid", draft.uid.as_deref(), 255, &mut errors);
        rules::short_text("/ordering_key", draft.ordering_key.as_deref(), 255, &mut errors);
        rules::content_type("/content_type", draft.content_type.as_deref(), &mut errors);
        let idempotency = idempotency(&draft, &envelope, &mut errors);
        if envelope.origin != Origin::System && topic.as_ref().is_some_and(announce::is_own) {
            errors.push(FieldError::new("/topic", "topics that begin with `posthaste.` are the server's own"));
        }
        if !errors.is_empty() {
            return Err(EngineError::Invalid(errors));
        }
        let addressing = self.addressing(&tenant, &draft).await?;
        if let (Addressing::Topic, Some(topic)) = (&addressing, &topic) {
            self.ensure_topic(&tenant, topic).await?;
        }
        let (view, matched) = self.0.catalog.view(&tenant).await?;
        let mut headers = draft.headers;
        if let Some(trace) = envelope.traceparent {
            headers.entry("traceparent".to_owned()).or_insert(trace);
        }
        let (reply, answer) = oneshot::channel();
        let extras = MessageExtras {
            uid: draft.uid,
            headers,
            metadata: draft.metadata,
            ordering_key: draft.ordering_key,
            expires_at,
            addressed: matches!(addressing, Addressing::Endpoints(_)),
            cloudevent: envelope.cloudevent,
            origin: envelope.origin,
            ..MessageExtras::default()
        };
        let targets = {
            let payload = Payload::new(&payload);
            if let (Addressing::Topic, Some(topic)) = (&addressing, &topic) {
                view.check_payload(topic, &payload).map_err(EngineError::Invalid)?;
            }
            addressing.targets(&view, &Subject::new(topic.as_ref(), &extras, &payload))?
        };
        let content_type = draft.content_type.unwrap_or_else(|| default_type.to_owned());
        let pending = Pending {
            tenant,
            topic,
            addressing,
            matched,
            targets,
            waits: Vec::new(),
            content_type,
            deliver_at,
            extras,
            payload,
            idempotency,
            reply,
        };
        Ok((pending, answer))
    }

    fn read_payload(
        &self,
        draft: &Draft<'_>,
        body: Option<&Bytes>,
        errors: &mut Vec<FieldError>,
    ) -> Result<(Bytes, &'static str)> {
        let (payload, default_type) = match (draft.payload, &draft.payload_text, &draft.payload_base64) {
            (None, None, None) if draft.payload_bytes.is_some() => {
                (draft.payload_bytes.clone().unwrap_or_default(), "application/octet-stream")
            }
            (Some(json), None, None) => {
                let bytes = json.get().as_bytes();
                // The request's own bytes go on to the socket, unless the payload is but a small part of them.
                let whole = body.filter(|body| body.len() <= bytes.len().saturating_mul(4).max(4_096));
                (whole.map_or_else(|| Bytes::copy_from_slice(bytes), |body| body.slice_ref(bytes)), "application/json")
            }
            (None, Some(text), None) => (Bytes::from(text.clone()), "text/plain; charset=utf-8"),
            (None, None, Some(text)) => match BASE64.decode(text) {
                Ok(bytes) => (Bytes::from(bytes), "application/octet-stream"),
                Err(_) => {
                    errors.push(FieldError::new("/payload_base64", "not Base64 (RFC 4648 with padding)"));
                    (Bytes::new(), "application/octet-stream")
                }
            },
            (None, None, None) => {
                errors.push(FieldError::new("/payload", "give payload, payload_text or payload_base64"));
                (Bytes::new(), "application/json")
            }
            _ => {
                errors.push(FieldError::new("/payload", "give only one of payload, payload_text and payload_base64"));
                (Bytes::new(), "application/json")
            }
        };
        let limit = self.0.options.max_payload_bytes;
        if payload.len() > limit {
            let detail = format!("the payload has {} bytes; at most {limit} are accepted", payload.len());
            return Err(EngineError::TooLarge { detail });
        }
        Ok((payload, default_type))
    }

    async fn addressing(&self, tenant: &Tenant, draft: &Draft<'_>) -> Result<Addressing> {
        match (&draft.endpoint_ids, &draft.urls, &draft.topic) {
            (Some(_), Some(_), _) => Err(EngineError::invalid("/urls", "give endpoint_ids or urls, not both")),
            (Some(ids), None, _) => self.addressed_endpoints(tenant, ids).await,
            (None, Some(urls), _) => self.addressed_urls(tenant, urls).await,
            (None, None, Some(_)) => Ok(Addressing::Topic),
            (None, None, None) => Err(EngineError::invalid("/topic", "give a topic, endpoint_ids or urls")),
        }
    }
}

/// Refuses what comes while the server stops.
pub(crate) const STOPPING: EngineError =
    EngineError::Busy { detail: "this server is stopping", retry_after: Duration::from_secs(1) };

fn parse_topic(topic: Option<&str>, errors: &mut Vec<FieldError>) -> Option<TopicName> {
    match topic?.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            errors.push(FieldError::new("/topic", format!("{error}")));
            None
        }
    }
}

fn due_time(draft: &Draft<'_>, now: Timestamp, errors: &mut Vec<FieldError>) -> Option<Timestamp> {
    let (pointer, at) = match (&draft.deliver_at, draft.delay_seconds) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            errors.push(FieldError::new("/delay_seconds", "give deliver_at or delay_seconds, not both"));
            return None;
        }
        (Some(text), None) => ("/deliver_at", Timestamp::parse(text).map_err(|error| error.to_string())),
        (None, Some(seconds)) => {
            let span = posthaste_core::Span::from_seconds(seconds).map_err(|error| error.to_string());
            ("/delay_seconds", span.map(|span| now + span.duration()))
        }
    };
    match at {
        Ok(at) if at.since(now) > LONGEST_DELAY => {
            errors.push(FieldError::new(pointer, "more than 366 days ahead"));
            None
        }
        Ok(at) => (at > now).then_some(at),
        Err(detail) => {
            errors.push(FieldError::new(pointer, detail));
            None
        }
    }
}

/// An expiry has to lie after the first instant at which the message could be sent.
fn expiry(text: Option<&str>, sendable_at: Timestamp, errors: &mut Vec<FieldError>) -> Option<Timestamp> {
    let detail = match Timestamp::parse(text?) {
        Ok(at) if at > sendable_at => return Some(at),
        Ok(_) => "is not after the message's acceptance and its deliver_at: it could never be sent".to_owned(),
        Err(error) => error.to_string(),
    };
    errors.push(FieldError::new("/expires_at", detail));
    None
}

fn idempotency(draft: &Draft<'_>, envelope: &Envelope, errors: &mut Vec<FieldError>) -> Option<IdempotencyKey> {
    let key = match (&draft.idempotency_key, &envelope.idempotency_key) {
        (Some(member), Some(header)) if member != header => {
            let detail = "differs from the Idempotency-Key header: give one of them, or the same";
            errors.push(FieldError::new("/idempotency_key", detail));
            return None;
        }
        (Some(key), _) | (None, Some(key)) => key.clone(),
        (None, None) => return None,
    };
    if key.is_empty() || key.len() > 255 {
        errors.push(FieldError::new("/idempotency_key", "use 1 to 255 bytes"));
        return None;
    }
    let request_hash = Sha256::digest(&envelope.request_bytes).into();
    // Keys of different doors never meet.
    let verb = match envelope.origin {
        Origin::Event => "events",
        Origin::System => "system",
        _ => "messages",
    };
    Some(IdempotencyKey { verb, key, request_hash })
}
