//! How operations come in over HTTP: POST, GET for queries, and subscriptions as an event stream (the "distinct
//! connections" mode of the GraphQL-over-SSE protocol).

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response as Answer};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request as HttpRequest};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use posthaste_engine::EngineError;
use serde::Deserialize;

use crate::visit::{Visit, Visitor};
use crate::{Api, Service, failure, socket};

/// What the largest request may be beside the payloads in it.
const AROUND: usize = 8 << 20;

/// What the handlers get.
#[derive(Clone)]
pub struct State {
    pub service: Service,
    pub schema: Api,
}

impl State {
    fn visitor(&self, parts: &http::request::Parts) -> Visitor {
        Visitor {
            engine: self.service.0.engine.clone(),
            access: self.service.0.options.access,
            headers: Arc::new(parts.headers.clone()),
            uri: parts.uri.clone(),
        }
    }
}

/// What goes wrong before an operation is executed.
enum Refusal {
    /// The engine's reason.
    Engine(EngineError),
    /// The request is none that is read here.
    Request(StatusCode, &'static str, String),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Refusal {
    fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Request(StatusCode::BAD_REQUEST, code, detail.into())
    }

    fn render(self, request_id: Option<&str>) -> Response {
        match self {
            Self::Engine(error) => refuse(error, request_id),
            Self::Request(status, code, detail) => {
                let mut error = async_graphql::ServerError::new(detail, None);
                let mut extensions = async_graphql::ErrorExtensionValues::default();
                extensions.set("code", code);
                extensions.set("status", status.as_u16());
                error.extensions = Some(extensions);
                let answer = failure::complete(Answer::from_errors(vec![error]), request_id);
                (status, Json(answer)).into_response()
            }
        }
    }
}

/// A refusal by the engine, with the headers that REST has for it.
fn refuse(error: EngineError, request_id: Option<&str>) -> Response {
    let status = error.status();
    let retry = if let EngineError::Busy { retry_after, .. } = &error { Some(*retry_after) } else { None };
    let mut response = (status, Json(failure::refusal(error, request_id))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(after) = retry {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// A query in the URL, or the beginning of a WebSocket.
pub async fn get(axum::extract::State(state): axum::extract::State<State>, request: HttpRequest) -> Response {
    let (mut parts, _) = request.into_parts();
    let visitor = state.visitor(&parts);
    if parts.headers.contains_key(UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::open(upgrade, state, visitor),
            Err(refused) => refused.into_response(),
        };
    }
    let request_id = visitor.request_id().map(str::to_owned);
    let text = parts.uri.query().unwrap_or_default();
    let read = async_graphql::http::parse_query_string(text);
    let read = read.map_err(|error| Refusal::bad("invalid_query", format!("the query string cannot be read: {error}")));
    let answered = match read {
        Ok(operation) => execute(&state, visitor, operation, &parts.headers, Method::Get).await,
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| refusal.render(request_id.as_deref()))
}

/// Any operation in the body.
pub async fn post(axum::extract::State(state): axum::extract::State<State>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let visitor = state.visitor(&parts);
    let request_id = visitor.request_id().map(str::to_owned);
    let answered = async {
        // Whoever may not come in has nothing read for them.
        visitor.caller().await?;
        let operation = read(&state, &parts.headers, body).await?;
        execute(&state, visitor, operation, &parts.headers, Method::Post).await
    };
    answered.await.unwrap_or_else(|refusal| refusal.render(request_id.as_deref()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

async fn read(state: &State, headers: &HeaderMap, body: Body) -> Result<Request, Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A missing type is refused too: a page of another site may send one without asking.
    if !given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let detail = "send a body of the Content-Type application/json".to_owned();
        return Err(Refusal::Request(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let limit = state.service.0.engine.max_payload_bytes().saturating_mul(2).saturating_add(AROUND);
    let bytes = axum::body::to_bytes(body, limit).await.map_err(|_| {
        let detail = format!("the body is larger than the {limit} bytes that are read here, or ended too early");
        Refusal::from(EngineError::TooLarge { detail })
    })?;
    operation(&bytes)
}

fn operation(bytes: &Bytes) -> Result<Request, Refusal> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Refusal::bad("invalid_query", "give one operation a request, not a list of them"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Request::deserialize(&mut reader).and_then(|operation| reader.end().map(|()| operation));
    read.map_err(|error| Refusal::bad("malformed_json", format!("the body is not a GraphQL request: {error}")))
}

async fn execute(
    state: &State,
    visitor: Visitor,
    mut operation: Request,
    headers: &HeaderMap,
    method: Method,
) -> Result<Response, Refusal> {
    let caller = visitor.caller().await?;
    let request_id = visitor.request_id().map(str::to_owned);
    let kind = kind(&mut operation);
    if method == Method::Get && kind == Some(OperationType::Mutation) {
        let detail = "a mutation changes things: send it with POST".to_owned();
        return Err(Refusal::Request(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail));
    }
    let operation = operation.data(Visit::new(visitor, caller));
    let streamed = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| {
        accept.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/event-stream")
    });
    if streamed {
        let answers = state.schema.execute_stream(operation);
        return Ok(Sse::new(events(answers, request_id)).keep_alive(KeepAlive::default()).into_response());
    }
    if kind == Some(OperationType::Subscription) {
        let detail = "a subscription needs a WebSocket (graphql-transport-ws) or the header Accept: text/event-stream";
        return Err(Refusal::bad("invalid_query", detail));
    }
    let answer = failure::complete(state.schema.execute(operation).await, request_id.as_deref());
    let mut response = Json(answer).into_response();
    // Secrets and keys may be in it.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What the operation that is asked for is; nothing if the document cannot be read, which its execution will say.
fn kind(operation: &mut Request) -> Option<OperationType> {
    let name = operation.operation_name.clone();
    let document = operation.parsed_query().ok()?;
    let mut operations = document.operations.iter();
    match name {
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| *known == name)).map(|(_, of)| of.node.ty),
        None => operations.next().map(|(_, of)| of.node.ty),
    }
}

fn events(
    answers: impl Stream<Item = Answer> + Send + 'static,
    request_id: Option<String>,
) -> impl Stream<Item = Result<Event, axum::Error>> + Send {
    let shown = answers.map(move |answer| {
        let answer = failure::complete(answer, request_id.as_deref());
        Event::default().event("next").json_data(answer)
    });
    shown.chain(futures_util::stream::once(async { Ok(Event::default().event("complete").data("")) }))
}
