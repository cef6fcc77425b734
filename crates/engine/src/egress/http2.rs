//! An HTTP/2 connection that many exchanges share.
//!
//! Unlike HTTP/1 it needs a task of its own: frames of every exchange pass through it at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::exchange::Ended;
use super::failure::{Failure, Started};
use super::host::OpenSlot;
use super::received::{BodyBounds, Received};
use super::socket::{Allowance, Socket, Stream};

/// How much a receiver may send ahead of what was read: of one body, and of all of a connection, in bytes. Answers to
/// webhooks are small; what stands here can be tied up in memory by a receiver.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
/// What may be read beyond bodies that were consumed and heads of requests in flight, in bytes.
const SPARE_BYTES: usize = 256 * 1024;
/// A connection on which requests wait is pinged this often, and given up if it does not answer for as long: otherwise
/// a dead one would swallow every request to its host until the system gives up, many minutes later.
const PING: Duration = Duration::from_secs(10);

/// One connection; exchanges hold it by an `Arc`, and when the last of them and the pool have let go of it, it closes.
pub(super) struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    allowance: Arc<Allowance>,
    head_bytes: usize,
    in_flight: AtomicUsize,
    opened_at: Instant,
    /// Milliseconds after `opened_at`.
    last_used: AtomicU64,
}

impl Http2 {
    /// HTTP/2 over a connected stream that has negotiated it. The connection's task runs on `tracker`.
    pub(super) async fn open(
        stream: Stream,
        head_bytes: usize,
        slot: OpenSlot,
        tracker: &TaskTracker,
    ) -> Result<Self, Failure> {
        let allowance = Allowance::new(SPARE_BYTES);
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&allowance)));
        let (sender, connection) = Builder::new(Tracked(tracker.clone()))
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(socket)
            .await
            .map_err(|error| Failure::before_head(&error, Started::No))?;
        tracker.spawn(async move {
            // Its errors reach the exchanges that it fails.
            let _ = connection.await;
            drop(slot);
        });
        Ok(Self {
            sender,
            allowance,
            head_bytes,
            in_flight: AtomicUsize::new(0),
            opened_at: Instant::now(),
            last_used: AtomicU64::new(0),
        })
    }

    /// Sends one request and reads the whole response. Waits while the receiver allows no further stream.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>, deadline: Instant, bounds: BodyBounds) -> Ended {
        let _in_flight = self.begin();
        // Each clone is a sender of its own; the connection is behind them all.
        let mut sender = self.sender.clone();
        let response = match timeout_at(deadline, sender.try_send_request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(mut error)) => {
                return match error.take_message() {
                    Some(request) => Ended::Unsent(request),
                    None => Ended::Failed(Failure::before_head(error.error(), Started::No), None),
                };
            }
            // Dropping the request resets its stream and leaves the others alone.
            Err(_) => return Ended::Failed(Failure::timeout("waiting for the response"), None),
        };
        self.read(response, deadline, bounds).await
    }

    async fn read(&self, response: Response<Incoming>, deadline: Instant, bounds: BodyBounds) -> Ended {
        let (head, mut body) = response.into_parts();
        let mut received = Received::head(&head, bounds);
        let reading = async {
            while !body.is_end_stream() {
                let Some(frame) = body.frame().await else { break };
                let frame = frame.map_err(|error| Failure::in_body(&error))?;
                if let Some(data) = frame.data_ref() {
                    self.allowance.raise(data.len(), self.most());
                    received.push(data)?;
                }
            }
            Ok(())
        };
        match timeout_at(deadline, reading).await {
            Ok(Ok(())) => {
                received.end();
                Ended::Answered(received)
            }
            Ok(Err(failure)) => Ended::Failed(failure, Some(received)),
            Err(_) => Ended::Failed(Failure::timeout("reading the response's body"), Some(received)),
        }
    }

    fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.allowance.raise(self.head_bytes, self.most());
        InFlight(self)
    }

    /// The most that may be read ahead, now.
    fn most(&self) -> usize {
        SPARE_BYTES.saturating_add(self.head_bytes.saturating_mul(self.in_flight.load(Ordering::Relaxed)))
    }

    /// Whether a new exchange may use it.
    pub(super) fn is_usable(&self, now: Instant, age: Duration) -> bool {
        !self.sender.is_closed() && now.saturating_duration_since(self.opened_at) < age
    }

    /// Whether nothing used it for that long.
    pub(super) fn is_idle(&self, now: Instant, idle: Duration) -> bool {
        let last_used = Duration::from_millis(self.last_used.load(Ordering::Relaxed));
        self.in_flight.load(Ordering::Relaxed) == 0
            && now.saturating_duration_since(self.opened_at).saturating_sub(last_used) >= idle
    }
}

struct InFlight<'a>(&'a Http2);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let used = u64::try_from(self.0.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_used.store(used, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs what hyper needs run beside a connection where shutdown waits for it.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
