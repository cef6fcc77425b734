//! Accepting connections and serving them: HTTP/1.1 and HTTP/2 without TLS, within bounds.
//!
//! TLS is left to what stands in front: a proxy that renews certificates is there wherever the API is reached from
//! outside.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long the head of a request may take, and a connection may do nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take in all, its body's arrival included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest head of a request.
const HEAD_BYTES: usize = 64 * 1024;
/// The most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 256;
/// What a peer may send ahead of being read, on one HTTP/2 stream and on all of a connection's. h2 also counts what small
/// frames cost beside their bytes, up to half the connection's window, and beyond that ends the connection. A publisher
/// that streams small messages faster than they are committed must meet the stream's window before: even 16-byte frames
/// that fill it cost less than that half.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The connections of one server, over all its listeners.
pub struct Connections {
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    hyper: auto::Builder<TokioExecutor>,
    /// Tells connections to end after the request that is under way.
    draining: CancellationToken,
}

impl Connections {
    /// At most so many at once; further ones wait in the system's backlog.
    pub fn new(most: usize) -> Self {
        let mut hyper = auto::Builder::new(TokioExecutor::new());
        hyper
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES)
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(HEAD_TIMEOUT)
            .keep_alive_timeout(HEAD_TIMEOUT);
        Self {
            room: Arc::new(Semaphore::new(most)),
            tasks: TaskTracker::new(),
            hyper,
            draining: CancellationToken::new(),
        }
    }

    /// Accepts until `stop`. The listener is closed when the task ends.
    pub fn accept(&self, listener: TcpListener, router: Router, stop: CancellationToken) -> JoinHandle<()> {
        let (room, tasks, hyper) = (self.room.clone(), self.tasks.clone(), self.hyper.clone());
        let draining = self.draining.clone();
        self.tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    accepted = accept_within(&listener, &room) => accepted,
                };
                let Some((stream, permit)) = accepted else { return };
                let served = serve(hyper.clone(), draining.clone(), stream, router.clone());
                tasks.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
        })
    }

    /// Lets requests under way end, for at most `grace`; idle connections are closed at once.
    pub async fn drain(self, grace: Duration) {
        self.tasks.close();
        self.draining.cancel();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!("requests were still under way at the end of the grace; their connections are cut");
        }
    }
}

/// The next connection, once there is room for it; `None` if the room was closed, which does not happen.
async fn accept_within(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, permit)),
            Err(error) => {
                // The peer went away, or files ran out: in the second case a moment's wait lets some be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves one connection until either side ends it.
async fn serve(hyper: auto::Builder<TokioExecutor>, draining: CancellationToken, stream: TcpStream, router: Router) {
    // Answers are written whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = asked.clone();
        hyper::service::service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            answer(router.clone(), request)
        })
    };
    let mut connection = std::pin::pin!(hyper.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // While it is unclear which version of HTTP the peer speaks, hyper's own timeout is not running yet.
    let mut first_head = std::pin::pin!(tokio::time::sleep(HEAD_TIMEOUT));
    let (mut waits_for_head, mut drains) = (true, false);
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = first_head.as_mut(), if waits_for_head => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                waits_for_head = false;
            }
            () = draining.cancelled(), if !drains => {
                drains = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let request = request.map(axum::body::Body::new);
    match tokio::time::timeout(REQUEST_TIMEOUT, router.oneshot(request)).await {
        Ok(answered) => answered,
        Err(_) => Ok((StatusCode::REQUEST_TIMEOUT, [(http::header::CONNECTION, "close")]).into_response()),
    }
}
