//! Operations over a WebSocket: the protocol `graphql-transport-ws`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_graphql::http::{WebSocket as Protocol, WebSocketProtocols, WsMessage};
use async_graphql::{Data, Executor, Request, Response as Answer};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::stream::{BoxStream, SplitSink, once};
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use posthaste_engine::EngineError;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::transport::State;
use crate::visit::{Visit, Visitor};
use crate::{Api, failure, limits};

/// The largest message that is read.
const MESSAGE_BYTES: usize = 10 << 20;
/// How long a client may be silent; those of this protocol ping.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a client may take to close its side.
const FAREWELL: Duration = Duration::from_secs(2);

/// Begins a WebSocket. Where no key is needed, a page of another site is refused now: it may open `WebSockets` unasked.
pub fn open(upgrade: WebSocketUpgrade, state: State, visitor: Visitor) -> Response {
    let upgrade = upgrade.protocols(["graphql-transport-ws"]).max_message_size(MESSAGE_BYTES);
    upgrade.on_upgrade(move |socket| async move {
        match state.service.socket() {
            Ok(place) => serve(socket, state, visitor, place).await,
            Err(full) => close(socket, 4_503, full.to_string()).await,
        }
    })
}

async fn close(mut socket: WebSocket, code: u16, reason: String) {
    // If the client is gone already there is nobody to tell.
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

async fn serve(socket: WebSocket, state: State, visitor: Visitor, _place: OwnedSemaphorePermit) {
    let ending = state.service.ending().clone();
    let operations = Operations {
        schema: state.schema,
        visitor: Arc::new(OnceLock::new()),
        room: Arc::new(Semaphore::new(limits::PER_SOCKET)),
    };
    let known = operations.visitor.clone();
    let (mut sink, stream) = socket.split();
    let texts = stream.take_while(|message| {
        let goes_on = matches!(message, Ok(message) if !matches!(message, Message::Close(_)));
        std::future::ready(goes_on)
    });
    let texts = texts.filter_map(|message| {
        let text = match message {
            Ok(text @ (Message::Text(_) | Message::Binary(_))) => Some(text.into_data()),
            _ => None,
        };
        std::future::ready(text)
    });
    let mut texts = std::pin::pin!(texts);
    let admitted = async move |payload: Value| {
        let visitor = with_key(visitor, &payload);
        visitor.caller().await?;
        // Set once: the protocol takes one beginning.
        let _ = known.set(visitor);
        Ok(Data::default())
    };
    let protocol = Protocol::new(operations, texts.as_mut(), WebSocketProtocols::GraphQLWS)
        .on_connection_init(admitted)
        .keepalive_timeout(SILENCE);
    if converse(&mut sink, protocol, ending).await.is_none() {
        return;
    }
    // A socket that is closed with something unread takes the farewell back; so the client's is waited for.
    let rest = async { while texts.next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

/// Sends answers until there are no more. Something, if a farewell was sent; nothing, if there is nobody to read one.
async fn converse(
    sink: &mut SplitSink<WebSocket, Message>,
    answers: impl Stream<Item = WsMessage>,
    ending: CancellationToken,
) -> Option<()> {
    let mut answers = std::pin::pin!(answers);
    loop {
        let answer = tokio::select! {
            () = ending.cancelled() => WsMessage::Close(1_001, "the server ends".to_owned()),
            answer = answers.next() => answer?,
        };
        match answer {
            WsMessage::Text(text) => sink.send(Message::Text(text.into())).await.ok()?,
            WsMessage::Close(code, reason) => {
                // A close frame holds 123 bytes of reason.
                let reason: String = reason.chars().take(30).collect();
                let frame = CloseFrame { code, reason: reason.into() };
                return sink.send(Message::Close(Some(frame))).await.ok();
            }
        }
    }
}

/// Browsers cannot give a WebSocket headers, so the key may come with its first message.
fn with_key(visitor: Visitor, payload: &Value) -> Visitor {
    let members = payload.as_object().into_iter().flatten();
    let mut given = members.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let Some(value) = given.next().and_then(|(_, value)| value.as_str()?.parse().ok()) else { return visitor };
    let mut headers = HeaderMap::clone(&visitor.headers);
    headers.insert(AUTHORIZATION, value);
    Visitor { headers: Arc::new(headers), ..visitor }
}

/// Executes a socket's operations, as many at once as there is room for.
#[derive(Clone)]
struct Operations {
    schema: Api,
    visitor: Arc<OnceLock<Visitor>>,
    room: Arc<Semaphore>,
}

impl Operations {
    async fn begin(&self) -> Result<(Visit, OwnedSemaphorePermit), EngineError> {
        let unknown = EngineError::Unauthenticated("begin with connection_init");
        let visitor = self.visitor.get().cloned().ok_or(unknown)?;
        let retry_after = Duration::from_secs(1);
        let detail = "as many operations run on this WebSocket as it has room for";
        let full = EngineError::Busy { detail, retry_after };
        let room = self.room.clone().try_acquire_owned().map_err(|_| full)?;
        let caller = visitor.caller().await?;
        Ok((Visit::new(visitor, caller), room))
    }

    fn request_id(&self) -> Option<&str> {
        self.visitor.get().and_then(Visitor::request_id)
    }
}

impl Executor for Operations {
    async fn execute(&self, request: Request) -> Answer {
        match self.begin().await {
            Ok((visit, _room)) => failure::complete(self.schema.execute(request.data(visit)).await, self.request_id()),
            Err(error) => failure::refusal(error, self.request_id()),
        }
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Answer> {
        let operations = self.clone();
        let answers = once(async move {
            match operations.begin().await {
                Ok((visit, room)) => {
                    let answers = operations
                        .schema
                        .execute_stream_with_session_data(request.data(visit), session.unwrap_or_default());
                    let shown = answers.map(move |answer| {
                        let _held = &room;
                        failure::complete(answer, operations.request_id())
                    });
                    shown.boxed()
                }
                Err(error) => once(std::future::ready(failure::refusal(error, operations.request_id()))).boxed(),
            }
        });
        answers.flatten().boxed()
    }
}
