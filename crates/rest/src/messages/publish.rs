//! The hot path: one message comes in.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use posthaste_core::{MessageId, Tenant, Timestamp, TopicName};
use posthaste_engine::ingest::{Draft, Envelope, Receipt};
use posthaste_engine::request::given_trace;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::{self, MessageBytes};
use crate::idempotency;
use crate::problem::Problem;
use crate::query::NoQuery;

/// What a publish's headers say beside the body.
pub struct PublishHeaders {
    idempotency_key: Option<String>,
    traceparent: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for PublishHeaders {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let idempotency_key = idempotency::key(&parts.headers)?;
        Ok(Self { idempotency_key, traceparent: traceparent(parts) })
    }
}

/// The publisher's trace, if it is well formed: it goes on in the deliveries.
pub fn traceparent(parts: &Parts) -> Option<String> {
    let text = parts.headers.get("traceparent")?.to_str().ok()?;
    given_trace(text).map(|_| text.to_owned())
}

/// The answer to a publish: the message is committed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptView {
    id: MessageId,
    tenant: Tenant,
    topic: Option<TopicName>,
    /// How many deliveries it has; null for a duplicate whose original is no longer kept.
    deliveries: Option<u32>,
    /// Whether the idempotency key had been used: nothing new was stored.
    duplicate: bool,
    created_at: Timestamp,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        let Receipt { id, tenant, topic, deliveries, duplicate } = receipt;
        Self { id, tenant, topic, deliveries, duplicate, created_at: id.timestamp() }
    }
}

/// Publish a message
///
/// The answer comes after the commit: every endpoint that wants the message will get it, or it will be visible as
/// failed. One of `topic`, `endpoint_ids`, `urls` says whom it is for; one of `payload`, `payload_text`,
/// `payload_base64` is needed.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", request_body = Draft,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition the same publish.")),
    responses((status = 202, description = "Accepted and stored", body = ReceiptView)))]
pub async fn publish_message(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    headers: PublishHeaders,
    MessageBytes(bytes): MessageBytes,
) -> Answer {
    let draft: Draft<'_> = body::parse_object(&bytes)?;
    let PublishHeaders { idempotency_key, traceparent } = headers;
    let envelope = envelope(&bytes, bytes.clone(), idempotency_key, traceparent);
    let receipt = app.engine().publish(&caller, draft, envelope).await?;
    answer::json(StatusCode::ACCEPTED, &ReceiptView::from(receipt))
}

/// What goes with a draft that was read from `request`, a part of `body`.
pub fn envelope(body: &Bytes, request: Bytes, key: Option<String>, traceparent: Option<String>) -> Envelope {
    Envelope {
        body: Some(body.clone()),
        idempotency_key: key,
        request_bytes: request,
        traceparent,
        ..Envelope::default()
    }
}
