//! Messages come in: one, many, or a stream of them.

mod events;
mod stream;

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use posthaste_core::Scope;
use posthaste_engine::ingest::{Draft, Envelope};
use posthaste_engine::request::given_trace;
use posthaste_engine::{Engine, EngineError, FieldError};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::proto::publish_result::Result as Outcome;
use crate::proto::publisher_server::Publisher;
use crate::proto::{
    MessageDraft, PublishBatchRequest, PublishBatchResponse, PublishEventsRequest, PublishEventsResponse,
    PublishRequest, PublishResult, PublishStreamRequest, PublishStreamResponse, Receipt,
};
use crate::{caller, instant, status, view};

/// The service.
pub struct Service {
    engine: Engine,
    ending: CancellationToken,
}

impl Service {
    /// For this engine; streams are ended once it is `ending`.
    pub fn new(engine: Engine, ending: CancellationToken) -> Self {
        Self { engine, ending }
    }
}

#[tonic::async_trait]
impl Publisher for Service {
    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<Receipt>, Status> {
        let (caller, trace) = (caller::of(&request)?, trace(&request));
        let placed = |error| status::of(status::within(error, |pointer| format!("/message{pointer}")));
        let (draft, envelope) = draft(request.into_inner().message, trace).map_err(placed)?;
        let receipt = self.engine.publish(&caller, draft, envelope).await.map_err(placed)?;
        Ok(Response::new(view::receipt(receipt)))
    }

    async fn publish_batch(
        &self,
        request: Request<PublishBatchRequest>,
    ) -> Result<Response<PublishBatchResponse>, Status> {
        let (caller, trace) = (caller::of(&request)?, trace(&request));
        let drafts = request.into_inner().messages.into_iter().map(|message| draft(Some(message), trace.clone()));
        let answers = self.engine.publish_all(&caller, drafts.collect()).await.map_err(status::of)?;
        let results = answers.into_iter().enumerate().map(|(index, answer)| {
            let placed = |error| status::within(error, |pointer| format!("/messages/{index}{pointer}"));
            let result = match answer {
                Ok(receipt) => Outcome::Receipt(view::receipt(receipt)),
                Err(error) => Outcome::Error(status::problem(placed(error))),
            };
            PublishResult { result: Some(result) }
        });
        Ok(Response::new(PublishBatchResponse { results: results.collect() }))
    }

    async fn publish_events(
        &self,
        request: Request<PublishEventsRequest>,
    ) -> Result<Response<PublishEventsResponse>, Status> {
        let (caller, trace) = (caller::of(&request)?, trace(&request));
        let results = events::publish(&self.engine, &caller, request.into_inner(), trace).await.map_err(status::of)?;
        Ok(Response::new(PublishEventsResponse { results }))
    }

    type PublishStreamStream = Pin<Box<dyn Stream<Item = Result<PublishStreamResponse, Status>> + Send>>;

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let (caller, trace) = (caller::of(&request)?, trace(&request));
        // Said once for the whole stream, rather than for each of its messages.
        caller.require(Scope::Publish).map_err(status::of)?;
        let flow = stream::Flow::new(self.engine.clone(), caller, trace, request.into_inner(), self.ending.clone());
        Ok(Response::new(Box::pin(flow.answers())))
    }
}

/// The publisher's trace, if it is well formed: it goes on in the deliveries.
fn trace<T>(request: &Request<T>) -> Option<String> {
    let text = request.metadata().get("traceparent")?.to_str().ok()?;
    given_trace(text).map(|_| text.to_owned())
}

/// A message as the engine takes it.
fn draft(message: Option<MessageDraft>, trace: Option<String>) -> Result<(Draft<'static>, Envelope), EngineError> {
    let message = message.unwrap_or_default();
    // What makes a repetition the same publish: all that was said, in the one order in which it is written here.
    let keyed = message.idempotency_key.is_some();
    let request_bytes = if keyed { message.encode_to_vec().into() } else { Bytes::new() };
    let mut errors: Vec<FieldError> = Vec::new();
    let mut at = |given, pointer| {
        instant::read(given, pointer).unwrap_or_else(|error| {
            errors.push(error);
            None
        })
    };
    let deliver_at = at(message.deliver_at, "/deliver_at");
    let expires_at = at(message.expires_at, "/expires_at");
    if message.payload.is_none() {
        errors.push(FieldError::new("/payload", "give a payload; it may be empty"));
    }
    if !errors.is_empty() {
        return Err(EngineError::Invalid(errors));
    }
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let draft = Draft {
        topic: message.topic.map(Into::into),
        endpoint_ids: some(message.endpoint_ids),
        urls: some(message.urls),
        tenant: message.tenant.map(Into::into),
        uid: message.uid,
        payload_bytes: message.payload,
        content_type: message.content_type,
        headers: message.headers,
        deliver_at: deliver_at.map(|at| at.to_string().into()),
        delay_seconds: message.delay_seconds,
        expires_at: expires_at.map(|at| at.to_string().into()),
        ordering_key: message.ordering_key,
        idempotency_key: message.idempotency_key,
        metadata: message.metadata,
        ..Draft::default()
    };
    Ok((draft, Envelope { request_bytes, traceparent: trace, ..Envelope::default() }))
}
