//! An HTTP/1 connection that its user drives.
//!
//! hyper splits a connection into a sender and a future that does the work, and usually that future is a task of its
//! own. Here the exchange polls it in its own task instead: no task per connection, no wake-up from one task to the
//! other for each request and each piece of a response, and dropping an exchange closes its connection at once. While
//! a connection is idle nothing polls it; whether its receiver has closed it is found out before it is used again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FutureExt as _, poll_fn};
use http::header::HeaderName;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::coop;
use tokio::time::{Instant, Sleep};

use super::exchange::Ended;
use super::failure::Failure;
use super::host::OpenSlot;
use super::received::{BodyBounds, Received};
use super::socket::{Allowance, Socket, Stream};

/// hyper's least buffer.
const LEAST_BUFFER: usize = 8 * 1024;
/// Keeping an idle connection for the whole time that its receiver announced would lose races against its closing.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// One connection with at most one exchange at a time.
pub(super) struct Http1 {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended. The sender then answers what it still holds.
    connection: Option<Connection<TokioIo<Socket>, Full<Bytes>>>,
    allowance: Arc<Allowance>,
    /// What the allowance is for each head.
    head_bytes: usize,
    /// One timer for all exchanges of the connection: moving a deadline further away costs nothing, while a new timer
    /// each time would take the runtime's lock twice per request.
    timer: Pin<Box<Sleep>>,
    opened_at: Instant,
    /// Set when it becomes idle.
    idle_since: Instant,
    /// How long the receiver said it keeps idle connections.
    receiver_keeps: Option<Duration>,
    _slot: OpenSlot,
}

impl Http1 {
    /// HTTP/1 over a connected stream; nothing is sent yet.
    pub(super) async fn open(stream: Stream, head_bytes: usize, slot: OpenSlot) -> Result<Self, Failure> {
        // Interim responses and what hyper reads ahead of a body count as well.
        let head_bytes = head_bytes.max(LEAST_BUFFER);
        let granted = head_bytes.saturating_mul(4);
        let allowance = Allowance::new(granted);
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&allowance)));
        let (sender, connection) = Builder::new()
            .max_buf_size(head_bytes)
            .max_header_size(head_bytes)
            .handshake(socket)
            .await
            .map_err(|error| Failure::connect(error.to_string()))?;
        let now = Instant::now();
        Ok(Self {
            sender,
            connection: Some(connection),
            allowance,
            head_bytes: granted,
            timer: Box::pin(tokio::time::sleep_until(now)),
            opened_at: now,
            idle_since: now,
            receiver_keeps: None,
            _slot: slot,
        })
    }

    /// Sends one request and reads the whole response. The connection comes back if it can be used again.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        request: Request<Full<Bytes>>,
        deadline: Instant,
        bounds: BodyBounds,
    ) -> (Ended, Option<Box<Self>>) {
        self.timer.as_mut().reset(deadline);
        self.allowance.set(self.head_bytes);
        let response = match self.answer(request).await {
            Ok(response) => response,
            Err(ended) => return (ended, None),
        };
        self.allowance.set(usize::MAX);
        let (head, body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return (
                Ended::Failed(Failure::protocol("the receiver switches to a protocol nobody asked for"), None),
                None,
            );
        }
        self.note_keep_alive(&head.headers);
        let mut received = Received::head(&head, bounds);
        match self.body(body, &mut received).await {
            Ok(()) => (Ended::Answered(received), self.is_settled().then_some(self)),
            Err(failure) => (Ended::Failed(failure, Some(received)), None),
        }
    }

    /// Until the head of the response.
    async fn answer(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Ended> {
        // The answer is only ever given while `drive` runs, and it is looked at after each `drive`: so it needs no
        // waker, which would run this task once more for nothing. For the same reason tokio's budget must not make
        // it appear pending.
        let mut answer = std::pin::pin!(coop::unconstrained(self.sender.try_send_request(request)));
        let answered = poll_fn(|cx| {
            drive(&mut self.connection, cx);
            if let Poll::Ready(answered) = answer.poll_unpin(&mut nobody()) {
                return Poll::Ready(Some(answered));
            }
            self.timer.poll_unpin(cx).map(|()| None)
        })
        .await;
        match answered {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut error)) => Err(match error.take_message() {
                Some(request) => Ended::Unsent(request),
                None => {
                    let started = self.allowance.started(self.head_bytes);
                    Ended::Failed(Failure::before_head(error.error(), started), None)
                }
            }),
            None => Err(Ended::Failed(Failure::timeout("waiting for the response"), None)),
        }
    }

    async fn body(&mut self, mut body: Incoming, received: &mut Received) -> Result<(), Failure> {
        while !body.is_end_stream() {
            match self.frame(&mut body).await? {
                Some(Ok(frame)) => {
                    // Trailers are nobody's business.
                    if let Some(data) = frame.data_ref() {
                        received.push(data)?;
                    }
                }
                Some(Err(error)) => return Err(Failure::in_body(&error)),
                None => break,
            }
        }
        received.end();
        Ok(())
    }

    async fn frame(&mut self, body: &mut Incoming) -> Result<Option<Result<Frame<Bytes>, hyper::Error>>, Failure> {
        poll_fn(|cx| {
            // First what has been read already, then what driving the connection brings.
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut nobody()) {
                return Poll::Ready(Ok(frame));
            }
            drive(&mut self.connection, cx);
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut nobody()) {
                return Poll::Ready(Ok(frame));
            }
            let late = self.timer.poll_unpin(cx);
            late.map(|()| Err(Failure::timeout("reading the response's body")))
        })
        .await
    }

    /// `Keep-Alive: timeout=5` says how long the receiver keeps the connection when it is idle.
    fn note_keep_alive(&mut self, headers: &HeaderMap) {
        let Some(value) = headers.get(KEEP_ALIVE).and_then(|value| value.to_str().ok()) else { return };
        let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok());
        self.receiver_keeps = seconds.map(|seconds| Duration::from_secs(seconds).saturating_sub(KEEP_ALIVE_MARGIN));
    }

    /// Whether it waits for a request, as far as was heard.
    fn is_settled(&mut self) -> bool {
        (self.connection.is_some() && self.sender.is_ready()) || self.is_ready()
    }

    /// Whether it waits for a request, after polling it once for news of its end. Also notices a receiver that sends
    /// what nobody asked for.
    pub(super) fn is_ready(&mut self) -> bool {
        drive(&mut self.connection, &mut nobody());
        self.connection.is_some() && self.sender.is_ready()
    }

    /// From now on it is idle.
    pub(super) fn rest(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// Since when it is idle.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether it has been idle, or open, for too long to be used again.
    pub(super) fn is_expired(&self, now: Instant, idle: Duration, age: Duration) -> bool {
        let idle = self.receiver_keeps.map_or(idle, |keeps| keeps.min(idle));
        now.saturating_duration_since(self.idle_since) >= idle || now.saturating_duration_since(self.opened_at) >= age
    }
}

/// Polls the connection, and lets go of it when it has ended: its sender then gets its last answer.
fn drive(connection: &mut Option<Connection<TokioIo<Socket>, Full<Bytes>>>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && Pin::new(running).poll(cx).is_ready()
    {
        *connection = None;
    }
}

/// Polls without being woken.
fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
