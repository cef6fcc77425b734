//! Many messages at once, each accepted or refused for itself.

use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use posthaste_engine::ingest::{Draft, Envelope};
use posthaste_engine::{EngineError, FieldError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::publish::{ReceiptView, envelope, traceparent};
use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::{self, BatchBytes};
use crate::idempotency::IDEMPOTENCY_KEY;
use crate::problem::{Problem, ProblemDocument};
use crate::query::NoQuery;

/// The trace of a batch; a key that would cover all of it is refused, for each message has its own.
pub struct BatchHeaders {
    traceparent: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for BatchHeaders {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(IDEMPOTENCY_KEY) {
            let detail = "a batch takes none: give each message an idempotency_key of its own";
            return Err(Problem::header("Idempotency-Key", detail));
        }
        Ok(Self { traceparent: traceparent(parts) })
    }
}

/// Many messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch)]
struct BatchDraft<'a> {
    /// 1 to 500 of them, 8 MiB in all.
    #[serde(borrow)]
    #[schema(value_type = Vec<Draft<'a>>, min_items = 1, max_items = 500)]
    messages: Vec<&'a RawValue>,
}

/// What became of each message, in the order given.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchReceipt)]
pub struct BatchView<'a> {
    results: Vec<ItemView<'a>>,
}

/// What became of one message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = BatchItem)]
pub enum ItemView<'a> {
    /// It is committed.
    #[schema(value_type = ReceiptView)]
    Accepted(&'a ReceiptView),
    /// It was refused; its neighbours were not.
    Refused {
        /// Why; pointers lead into the whole request.
        error: ProblemDocument<'a>,
    },
}

impl<'a> BatchView<'a> {
    /// Shows what became of each.
    pub fn new(outcomes: &'a [Result<ReceiptView, Problem>]) -> Self {
        let item = |outcome: &'a Result<ReceiptView, Problem>| match outcome {
            Ok(receipt) => ItemView::Accepted(receipt),
            Err(problem) => ItemView::Refused { error: problem.document(None) },
        };
        Self { results: outcomes.iter().map(item).collect() }
    }
}

/// Publish many messages
///
/// Each is accepted or refused for itself.
#[utoipa::path(post, path = "/v1/messages/batch", tag = "messages", request_body = BatchDraft,
    responses((status = 202, description = "What became of each message", body = BatchView)))]
pub async fn publish_batch(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    headers: BatchHeaders,
    BatchBytes(bytes): BatchBytes,
) -> Answer {
    let batch: BatchDraft<'_> = body::parse_object(&bytes)?;
    let mut faults: Vec<Option<Problem>> = Vec::with_capacity(batch.messages.len());
    let mut drafts: Vec<Result<(Draft<'_>, Envelope), EngineError>> = Vec::with_capacity(batch.messages.len());
    for item in &batch.messages {
        let item = item.get().as_bytes();
        let read = body::parse_object::<Draft<'_>>(item);
        let envelope = envelope(&bytes, bytes.slice_ref(item), None, headers.traceparent.clone());
        // The engine only has to know that there is no draft; what is wrong is shown as the parser said it.
        let (fault, draft) = match read {
            Ok(draft) => (None, Ok((draft, envelope))),
            Err(problem) => (Some(problem), Err(EngineError::Invalid(Vec::<FieldError>::new()))),
        };
        faults.push(fault);
        drafts.push(draft);
    }
    let answers = app.engine().publish_all(&caller, drafts).await?;
    let outcomes: Vec<Result<ReceiptView, Problem>> = answers
        .into_iter()
        .zip(faults)
        .enumerate()
        .map(|(index, (answer, fault))| {
            let answer = fault.map_or_else(|| answer.map_err(Problem::from), Err);
            answer.map(ReceiptView::from).map_err(|problem| problem.within(&format!("/messages/{index}")))
        })
        .collect();
    answer::json(StatusCode::ACCEPTED, &BatchView::new(&outcomes))
}
