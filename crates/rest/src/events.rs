//! CloudEvents come in: structured, batched or binary, as their content type says.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use posthaste_core::Tenant;
use posthaste_core::cloudevents::{Event, EventError, Mode, parse_batch, parse_binary, parse_structured};
use posthaste_engine::request::given_trace;
use posthaste_engine::{Caller, EngineError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body;
use crate::idempotency;
use crate::messages::{BatchView, ReceiptView};
use crate::problem::Problem;
use crate::query::Query;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(publish_events))
}

/// Whose events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    /// Whose events, if they do not say so themselves (extension attribute `tenant`).
    tenant: Option<Tenant>,
}

/// A request of events before anything in it is read.
struct EventRequest {
    mode: Mode,
    headers: HeaderMap,
    bytes: Bytes,
}

impl FromRequest<App> for EventRequest {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        // Source and id already make a repetition the same event; the header only has to be well formed.
        idempotency::key(request.headers())?;
        body::expect_plain(request.headers())?;
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mode = Mode::of(content_type).map_err(|error| body::unsupported(error.detail))?;
        if mode == Mode::Binary && content_type.is_none() && !request.headers().contains_key("ce-specversion") {
            return Err(body::unsupported("send a Content-Type of CloudEvents, or ce- headers".to_owned()));
        }
        let headers = request.headers().clone();
        let limit = if mode == Mode::Batched { body::BATCH_BYTES } else { body::message_limit(app) };
        Ok(Self { mode, headers, bytes: body::read(request, limit).await? })
    }
}

/// What became of one event, or of each of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum EventReceipt<'a> {
    One(ReceiptView),
    Many(BatchView<'a>),
}

/// Publish CloudEvents
///
/// `application/cloudevents+json` (one), `application/cloudevents-batch+json` (a list of at most 500, each accepted or
/// refused for itself), or binary mode (attributes in `ce-` headers). `type` is the topic; `source` and `id` together
/// make a repetition the same event.
#[utoipa::path(post, path = "/v1/events", tag = "messages", params(EventQuery),
    request_body(description = "One event, a list of events, or (binary mode) an event's data", content(
        (Object = "application/cloudevents+json"), (Vec<Object> = "application/cloudevents-batch+json"))),
    responses((status = 202, description = "Accepted and stored; for a list, what became of each", body = EventReceipt)))]
async fn publish_events(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(query): Query<EventQuery>,
    request: EventRequest,
) -> Answer {
    let EventRequest { mode, headers, bytes } = request;
    let traced = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let publisher = Publisher {
        app: &app,
        caller: &caller,
        tenant: query.tenant.as_ref().map(Tenant::as_str),
        traceparent: traced.filter(|text| given_trace(text).is_some()),
    };
    match mode {
        Mode::Batched => publisher.batch(&bytes).await,
        Mode::Structured => {
            body::syntax(&bytes)?;
            publisher.one(parse_structured(&bytes).map_err(in_document)?).await
        }
        Mode::Binary => {
            let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            publisher.one(parse_binary(pairs, &bytes).map_err(in_headers)?).await
        }
    }
}

/// What all events of a request share.
struct Publisher<'a> {
    app: &'a App,
    caller: &'a Caller,
    tenant: Option<&'a str>,
    traceparent: Option<&'a str>,
}

impl Publisher<'_> {
    async fn publish(&self, event: Event<'_>) -> Result<ReceiptView, Problem> {
        let trace = self.traceparent.map(str::to_owned);
        let receipt = self.app.engine().publish_event(self.caller, self.tenant, event, trace).await?;
        Ok(receipt.into())
    }

    async fn one(&self, event: Event<'_>) -> Answer {
        answer::json(StatusCode::ACCEPTED, &EventReceipt::One(self.publish(event).await?))
    }

    async fn batch(&self, bytes: &[u8]) -> Answer {
        body::syntax(bytes)?;
        let events = parse_batch(bytes).map_err(in_document)?;
        let answers = self.app.engine().publish_events(self.caller, self.tenant, events, self.traceparent).await?;
        let outcomes: Vec<Result<ReceiptView, Problem>> = answers
            .into_iter()
            .enumerate()
            .map(|(index, answer)| {
                answer.map(ReceiptView::from).map_err(|error| Problem::from(error).within(&format!("/{index}")))
            })
            .collect();
        answer::json(StatusCode::ACCEPTED, &EventReceipt::Many(BatchView::new(&outcomes)))
    }
}

/// In a document an attribute is a member.
fn in_document(error: EventError) -> Problem {
    EngineError::from(error).into()
}

/// In binary mode it is a header.
fn in_headers(error: EventError) -> Problem {
    match error.attribute.as_str() {
        "data" | "" => in_document(error),
        "datacontenttype" => Problem::header("Content-Type", error.detail),
        attribute => Problem::header(&format!("ce-{attribute}"), error.detail),
    }
}
