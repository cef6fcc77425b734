//! A new connection: resolve, guard, connect to what was checked, shake hands.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use posthaste_core::attempt::Outcome;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::failure::Failure;
use super::host::{Host, Link, OpenSlot, Pool};
use super::http1::Http1;
use super::http2::Http2;
use super::resolve::Resolver;
use super::socket::Stream;
use super::tls;

/// How many of a name's addresses are tried; all of them are checked.
const MAX_TRIED: usize = 8;
/// How long an address has for itself before the next one is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(300);
/// How long others wait for the first connection to a host, which they may be able to share.
const SHARING_PATIENCE: Duration = Duration::from_secs(2);

/// Opens connections.
pub(super) struct Connector {
    pub(super) resolver: Resolver,
    pub(super) tls: TlsConnector,
    pub(super) pool: Arc<Pool>,
    pub(super) tracker: TaskTracker,
    pub(super) connect_timeout: Duration,
    pub(super) head_bytes: usize,
}

impl Connector {
    /// A connection to the host: a new one, or one that another request opened meanwhile and that can be shared.
    pub(super) async fn open_or_share(&self, host: &Host, deadline: Instant) -> Result<Link, Failure> {
        if !host.may_share() {
            return self.open(host, deadline).await;
        }
        let patience = deadline.min(Instant::now() + SHARING_PATIENCE);
        // Whoever waited in vain opens a connection of its own: a host that is slow to connect to must not make its
        // requests queue one behind the other until their time is over.
        let _opening = timeout_at(patience, host.opening.lock()).await;
        match host.take(Instant::now()) {
            Some(link) => Ok(link),
            None => self.open(host, deadline).await,
        }
    }

    /// A new connection to the host. No packet goes to an address before all of the name's addresses were checked.
    pub(super) async fn open(&self, host: &Host, deadline: Instant) -> Result<Link, Failure> {
        let addresses = self.resolver.addresses(host, deadline).await?;
        let sockets = host.sockets(&addresses);
        let phase = Phase::new(deadline, self.connect_timeout);
        let slot = OpenSlot::take(&self.pool);
        let stream = phase.connect(&host.key.name, &sockets).await?;
        // Refused only by a socket that has died meanwhile, which the first write finds out.
        let _ = stream.set_nodelay(true);
        let Some(server_name) = &host.server_name else {
            let http1 = Http1::open(Stream::Plain(stream), self.head_bytes, slot).await?;
            return Ok(Link::Http1(Box::new(http1)));
        };
        let stream = phase.handshake(&self.tls, server_name, stream).await?;
        let negotiated = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
        let stream = Stream::Tls(Box::new(stream));
        if negotiated {
            let http2 = Arc::new(Http2::open(stream, self.head_bytes, slot, &self.tracker).await?);
            host.share(&http2);
            return Ok(Link::Http2(http2));
        }
        host.speaks_http1();
        let http1 = Http1::open(stream, self.head_bytes, slot).await?;
        Ok(Link::Http1(Box::new(http1)))
    }
}

/// The time to connect in: its own bound, or the end of the whole exchange.
struct Phase {
    until: Instant,
    deadline: Instant,
    bound: Duration,
}

impl Phase {
    fn new(deadline: Instant, bound: Duration) -> Self {
        Self { until: deadline.min(Instant::now() + bound), deadline, bound }
    }

    fn over(&self, outcome: Outcome, while_doing: &str) -> Failure {
        if self.until == self.deadline {
            return Failure::timeout(while_doing);
        }
        Failure::new(outcome, format!("not finished within {} s, while {while_doing}", self.bound.as_secs_f32()))
    }

    async fn connect(&self, name: &str, sockets: &[SocketAddr]) -> Result<TcpStream, Failure> {
        match timeout_at(self.until, first_to_connect(&in_turn(sockets))).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Failure::connect(format!("no connection to {name}: {error}"))),
            Err(_) => Err(self.over(Outcome::ConnectError, "connecting")),
        }
    }

    async fn handshake(
        &self,
        tls: &TlsConnector,
        server_name: &ServerName<'static>,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
        match timeout_at(self.until, tls.connect(server_name.clone(), stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Failure::handshake(&error)),
            Err(_) => Err(self.over(Outcome::TlsError, "shaking hands over TLS")),
        }
    }
}

/// Families alternate, beginning with the one that the system put first: if one of them leads nowhere, only one address
/// of it stands in the way.
fn in_turn(sockets: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = sockets.first().is_some_and(SocketAddr::is_ipv6);
    let (mut preferred, mut others): (Vec<_>, Vec<_>) =
        sockets.iter().copied().partition(|socket| socket.is_ipv6() == first_is_v6);
    preferred.dedup();
    others.dedup();
    let mut others = others.into_iter();
    let mut turns = Vec::with_capacity(sockets.len().min(MAX_TRIED));
    for socket in preferred {
        turns.push(socket);
        turns.extend(others.next());
    }
    turns.extend(others);
    turns.truncate(MAX_TRIED);
    turns
}

/// Connects to the first address that answers: each has a head start over the next, and is not given up then.
async fn first_to_connect(sockets: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut next = sockets.iter();
    let mut trying = FuturesUnordered::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match next.next() {
            Some(socket) => trying.push(TcpStream::connect(*socket)),
            None if trying.is_empty() => return Err(last_error),
            None => {}
        }
        tokio::select! {
            Some(tried) = trying.next() => match tried {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = error,
            },
            () = sleep(HEAD_START), if next.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate() {
        let turns = in_turn(&sockets(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]));
        assert_eq!(turns, sockets(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]));
    }

    #[test]
    fn no_more_than_eight_are_tried() {
        let many: Vec<_> = (1..=20).map(|last| SocketAddr::from(([10, 0, 0, last], 80))).collect();
        assert_eq!(in_turn(&many).len(), MAX_TRIED);
    }
}
