//! The one place that makes outbound connections.
//!
//! A request goes to an address that the guard has permitted, within a time that covers everything from the name's
//! look-up to the last byte of the response, and what comes back is bounded in every direction. Whatever a receiver
//! does ends as an [`Exchanged`]; nothing here is an error for the caller to handle.
//!
//! * HTTP/1.1, and HTTP/2 where a TLS receiver negotiates it. No redirects, no proxies, no decompression.
//! * Every address of a name is checked before any of them is connected to, and the connection goes to a checked
//!   address: a name that changes in between gains nothing. Connections are used for a bounded time, so that a name
//!   that has moved is noticed.
//! * A connection is used again only after the whole response was read. A request goes out a second time, at once and
//!   over a new connection, only if hyper hands it back unsent.

mod connect;
mod exchange;
mod failure;
mod host;
mod http1;
mod http2;
mod received;
mod resolve;
mod socket;
mod sweep;
mod target;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use posthaste_core::address::AllowList;
use posthaste_core::attempt::{Capture, Outcome};
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use connect::Connector;
use exchange::Ended;
use failure::Failure;
use host::{Host, Hosts, Link, Pool, PoolBounds};
use received::{BodyBounds, Received};
pub use resolve::{Resolve, SystemResolver};
use sweep::Sweeper;
pub use target::{PreparedUrl, UrlError};
pub use tls::EgressError;

/// What is sent when neither the caller nor the endpoint names another.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Posthaste/", env!("CARGO_PKG_VERSION")));
/// Stands for a timeout too long to be added to the clock.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3600);

/// How outbound connections are made and bounded.
#[derive(Clone)]
pub struct EgressOptions {
    /// Addresses permitted although the guard would refuse them.
    pub allow: AllowList,
    /// Certificate authorities trusted beside the system's.
    pub extra_ca: Vec<CertificateDer<'static>>,
    /// Who looks names up.
    pub resolver: Arc<dyn Resolve>,
    /// For connecting and the TLS handshake together; the timeout of the request holds as well.
    pub connect_timeout: Duration,
    /// How many idle HTTP/1 connections one receiver may have.
    pub max_idle_per_host: usize,
    /// With more open connections than this in all, none is kept idle.
    pub max_connections: usize,
    /// How long a connection is kept idle; less, if its receiver announces less.
    pub idle_timeout: Duration,
    /// How long a connection is used at all.
    pub max_age: Duration,
    /// A response with a larger body failed.
    pub max_response_bytes: usize,
    /// How much of the body is kept in the [`Capture`].
    pub capture_bytes: usize,
    /// A response with a larger header failed; at least 8 KiB.
    pub max_header_bytes: usize,
    /// The default `User-Agent`.
    pub user_agent: HeaderValue,
}

impl Default for EgressOptions {
    fn default() -> Self {
        Self {
            allow: AllowList::default(),
            extra_ca: Vec::new(),
            resolver: Arc::new(SystemResolver),
            connect_timeout: Duration::from_secs(10),
            max_idle_per_host: 64,
            max_connections: 4096,
            idle_timeout: Duration::from_secs(60),
            max_age: Duration::from_secs(300),
            max_response_bytes: 1024 * 1024,
            capture_bytes: 16 * 1024,
            max_header_bytes: 64 * 1024,
            user_agent: USER_AGENT,
        }
    }
}

impl fmt::Debug for EgressOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressOptions")
            .field("allow", &self.allow)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// One request to send.
#[derive(Debug)]
pub struct Outbound {
    /// Where to.
    pub url: Arc<PreparedUrl>,
    /// Any but `CONNECT`.
    pub method: Method,
    /// All headers but `Host`, `Content-Length` and, unless it is to differ, `User-Agent`. What belongs to the framing
    /// of a message is removed. Best begun with [`PreparedUrl::headers`].
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// From now to the last byte of the response.
    pub timeout: Duration,
}

/// What became of a request.
#[derive(Debug)]
pub struct Exchanged {
    /// How it ended.
    pub outcome: Sent,
    /// Whether the receiver may have seen the request.
    pub reached: Reached,
    /// From the call to the end.
    pub duration: Duration,
    /// What was read of the response, if its head was.
    pub capture: Option<Capture>,
    /// The response's `Retry-After`, as it stands there.
    pub retry_after: Option<String>,
}

/// Whether a receiver may have seen a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Nothing of it left this process.
    Never,
    /// Some of it may have, and so all of it may have been acted on.
    Perhaps,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The whole response was read. Whether its status is a success, the caller judges.
    Answered {
        /// The status of the response; never an interim one.
        status: u16,
    },
    /// It failed, at the latest before the end of the response.
    Failed {
        /// Never `Succeeded`, `Rejected` or `Unknown`.
        outcome: Outcome,
        /// What happened, in a sentence of at most 500 bytes without secrets.
        error: String,
        /// The status, if the response's head was read.
        status: Option<u16>,
    },
}

/// Sends requests. Clones share everything.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    hosts: Arc<Hosts>,
    pool: Arc<Pool>,
    sweeper: Sweeper,
    body: BodyBounds,
    user_agent: HeaderValue,
}

impl Egress {
    /// Reads the system's certificate authorities; connects nowhere. Tasks run on `tracker`: HTTP/2 connections,
    /// look-ups, and a sweeper that ends with the last clone or with [`Egress::close`].
    pub fn new(options: EgressOptions, tracker: TaskTracker) -> Result<Self, EgressError> {
        let pool = Pool::new(PoolBounds {
            idle_per_host: options.max_idle_per_host,
            connections: options.max_connections,
            idle: options.idle_timeout,
            age: options.max_age,
        });
        let hosts = Arc::new(Hosts::default());
        let connector = Connector {
            resolver: resolve::Resolver::new(options.resolver, options.allow, tracker.clone()),
            tls: tls::connector(&options.extra_ca)?,
            pool: Arc::clone(&pool),
            tracker: tracker.clone(),
            connect_timeout: options.connect_timeout,
            head_bytes: options.max_header_bytes,
        };
        let inner = Inner {
            connector,
            sweeper: Sweeper::new(Arc::clone(&hosts), Arc::clone(&pool), tracker),
            hosts,
            pool,
            body: BodyBounds { read: options.max_response_bytes, keep: options.capture_bytes },
            user_agent: options.user_agent,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes a URL ready to be sent to. Resolves nothing, and asks the guard nothing: a forbidden address fails each
    /// request to it with [`Outcome::BlockedAddress`].
    pub fn prepare(&self, url: &str) -> Result<Arc<PreparedUrl>, UrlError> {
        PreparedUrl::parse(url, &self.inner.hosts, &self.inner.pool).map(Arc::new)
    }

    /// Sends one request and reads the whole response. Dropping the future abandons the exchange; the receiver may
    /// have acted on the request nevertheless.
    pub async fn send(&self, outbound: Outbound) -> Exchanged {
        let started = Instant::now();
        let deadline = started.checked_add(outbound.timeout).unwrap_or_else(|| started + FAR_AWAY);
        let Outbound { url, method, headers, body, .. } = outbound;
        let request = exchange::request(method, headers, body, &self.inner.user_agent);
        let (ended, reached) = self.inner.exchange(&url, request, started, deadline).await;
        let (outcome, received) = match ended {
            Ended::Answered(received) => (Sent::Answered { status: received.status }, Some(received)),
            Ended::Failed(Failure { outcome, error }, received) => {
                let status = received.as_ref().map(|received| received.status);
                (Sent::Failed { outcome, error, status }, received)
            }
            Ended::Unsent(_) => {
                let error = "the receiver closed two connections in a row before the request was sent".to_owned();
                (Sent::Failed { outcome: Outcome::ConnectError, error, status: None }, None)
            }
        };
        let (capture, retry_after) = match received {
            Some(Received { capture, retry_after, .. }) => (Some(capture), retry_after),
            None => (None, None),
        };
        Exchanged { outcome, reached, duration: started.elapsed(), capture, retry_after }
    }

    /// How many connections are open, in use or idle.
    pub fn connections(&self) -> usize {
        self.inner.pool.open()
    }

    /// Closes idle connections and keeps none from now on, so that everything on the tracker ends with the exchanges
    /// under way. Requests may still be sent.
    pub fn close(&self) {
        self.inner.pool.close();
        self.inner.sweeper.stop();
        for host in self.inner.hosts.living() {
            host.clear();
        }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

impl Inner {
    /// Over a connection that is there, else over a new one; once more if the request comes back unsent.
    async fn exchange(
        &self,
        url: &PreparedUrl,
        request: Request<Full<Bytes>>,
        now: Instant,
        deadline: Instant,
    ) -> (Ended, Reached) {
        let host = url.host();
        let link = match host.take(now) {
            Some(link) => link,
            // Boxed, like the other rare ways, so that the future of the common one stays small.
            None => match Box::pin(self.open_or_share(host, deadline)).await {
                Ok(link) => link,
                Err(failure) => return (Ended::Failed(failure, None), Reached::Never),
            },
        };
        match self.over(link, url, request, deadline).await {
            Ended::Unsent(request) => Box::pin(self.over_new(url, request, deadline)).await,
            ended => (ended, Reached::Perhaps),
        }
    }

    async fn open_or_share(&self, host: &Host, deadline: Instant) -> Result<Link, Failure> {
        self.sweeper.start();
        self.connector.open_or_share(host, deadline).await
    }

    async fn over_new(&self, url: &PreparedUrl, request: Request<Full<Bytes>>, deadline: Instant) -> (Ended, Reached) {
        match self.connector.open(url.host(), deadline).await {
            Ok(link) => match self.over(link, url, request, deadline).await {
                unsent @ Ended::Unsent(_) => (unsent, Reached::Never),
                ended => (ended, Reached::Perhaps),
            },
            Err(failure) => (Ended::Failed(failure, None), Reached::Never),
        }
    }

    async fn over(&self, link: Link, url: &PreparedUrl, mut request: Request<Full<Bytes>>, deadline: Instant) -> Ended {
        match link {
            Link::Http1(http1) => {
                exchange::as_http1(&mut request, url);
                let (ended, again) = http1.exchange(request, deadline, self.body).await;
                if let Some(http1) = again {
                    url.host().put(http1, Instant::now());
                }
                ended
            }
            Link::Http2(http2) => {
                exchange::as_http2(&mut request, url);
                http2.exchange(request, deadline, self.body).await
            }
        }
    }
}
