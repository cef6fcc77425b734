//! A real HTTP/1.1 receiver on loopback that records what it gets and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::PATIENCE;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
    /// When the last byte of it had been read.
    pub at: Instant,
    /// Which connection it came by, counted from 0.
    pub connection: usize,
}

impl Received {
    /// A header as text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What a request is answered with.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    delay: Duration,
    ending: Ending,
}

/// How an exchange ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the whole answer.
    Whole,
    /// With the connection closed instead of an answer.
    Closed,
    /// Never: the connection stays open without an answer.
    Hung,
}

impl Answer {
    /// An empty answer with this status.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), delay: Duration::ZERO, ending: Ending::Whole }
    }

    /// The connection closes without an answer.
    pub fn close() -> Self {
        Self { ending: Ending::Closed, ..Self::status(200) }
    }

    /// The connection stays open without an answer.
    pub fn hang() -> Self {
        Self { ending: Ending::Hung, ..Self::status(200) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Answers (or closes) only after this long.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Rule = Box<dyn FnMut(&Received) -> Answer + Send>;

/// The receiver. It answers 200 with an empty body until it is told otherwise, and ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
    connections: TaskTracker,
    stop: watch::Sender<bool>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    /// Answers to be given once each, before the rule is asked.
    script: Mutex<VecDeque<Answer>>,
    rule: Mutex<Rule>,
    count: watch::Sender<usize>,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Receiver {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens at this address: where another receiver was before, for one that comes back.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            script: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Answer::status(200))),
            count: watch::Sender::new(0),
            running: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let connections = TaskTracker::new();
        let stop = watch::Sender::new(false);
        let accepting =
            connections.clone().spawn(accept(listener, Arc::clone(&shared), connections.clone(), stop.clone()));
        Self { address, shared, accepting, connections, stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL with this path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers everything like this from now on, once the script is used up.
    pub fn answer(&self, answer: Answer) {
        self.answer_by(move |_| answer.clone());
    }

    /// Answers by this rule from now on, once the script is used up.
    pub fn answer_by(&self, rule: impl FnMut(&Received) -> Answer + Send + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    /// Answers the next requests with these, one each, before the rule is asked again.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.shared.script).extend(answers);
    }

    /// What came so far, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// The most requests that were being answered at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::Acquire)
    }

    /// Waits until at least `count` requests have come, and returns all that did.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(&format!("{count} requests"), |received| received.len() >= count).await
    }

    /// Waits until what has come satisfies the test; looks again at each request.
    pub async fn wait_until(&self, what: &str, mut test: impl FnMut(&[Received]) -> bool) -> Vec<Received> {
        let mut count = self.shared.count.subscribe();
        let reached = tokio::time::timeout(PATIENCE, count.wait_for(|_| test(&self.received()))).await;
        let received = self.received();
        assert!(reached.is_ok(), "waited for {what}; {} came", received.len());
        received
    }

    /// Ends all connections and closes the port; returns when nobody listens there any more.
    pub async fn stop(self) {
        self.end();
        self.connections.close();
        self.connections.wait().await;
    }

    fn end(&self) {
        self.accepting.abort();
        self.stop.send_replace(true);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker, stop: watch::Sender<bool>) {
    for number in 0.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (shared, mut stopped) = (Arc::clone(&shared), stop.subscribe());
        connections.spawn(async move {
            tokio::select! {
                () = serve(stream, number, shared) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    let service = service_fn(|request| exchange(request, connection, &shared));
    // A sender that goes away, and the rule that closes, both end here; neither is the receiver's failure.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Reads, records, answers. The error is what makes hyper close the connection without an answer.
async fn exchange(
    request: Request<Incoming>,
    connection: usize,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let _running = Running::begin(shared);
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let received = Received { method: head.method, path, headers: head.headers, body, at: Instant::now(), connection };
    let scripted = lock(&shared.script).pop_front();
    let answer = scripted.unwrap_or_else(|| (*lock(&shared.rule))(&received));
    let count = {
        let mut all = lock(&shared.received);
        all.push(received);
        all.len()
    };
    shared.count.send_replace(count);
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    match answer.ending {
        Ending::Whole => {}
        Ending::Closed => return Err("closed on purpose".into()),
        Ending::Hung => match std::future::pending::<Infallible>().await {},
    }
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status)?;
    for (name, value) in answer.headers {
        response.headers_mut().append(name, value.parse()?);
    }
    Ok(response)
}

/// Counts the exchanges that run.
struct Running<'a>(&'a Shared);

impl<'a> Running<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let running = shared.running.fetch_add(1, Ordering::AcqRel) + 1;
        shared.most_at_once.fetch_max(running, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
