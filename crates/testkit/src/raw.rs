//! A receiver that answers with any bytes at all: for answers that are not HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::PATIENCE;

/// What is written once a request's head has been read.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// These bytes.
    pub bytes: Bytes,
    /// And then this.
    pub then: Then,
}

/// What follows the bytes.
#[derive(Debug, Clone)]
pub enum Then {
    /// The connection closes in order.
    Close,
    /// The connection stays open and silent.
    Hang,
    /// These bytes again and again, until the other side goes: a body, or a head, without end.
    Repeat(Bytes),
    /// The connection is reset.
    Reset,
}

impl RawAnswer {
    /// These bytes, then the connection closes.
    pub fn closing(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), then: Then::Close }
    }

    /// A good head whose body contains NULs and bytes that are not UTF-8, as do its header's value and reason.
    pub fn binary() -> Self {
        Self::closing(&b"HTTP/1.1 500 Oops\xff\r\nx-odd: a\xfe\xffb\r\ncontent-length: 6\r\n\r\n\0\xff\xfe\0ab"[..])
    }

    /// A body that never ends.
    pub fn endless_body() -> Self {
        let head = &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..];
        Self { bytes: Bytes::from_static(head), then: Then::Repeat(Bytes::from_static(b"10\r\n0123456789abcdef\r\n")) }
    }

    /// Header lines that never end.
    pub fn endless_head() -> Self {
        let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\n");
        Self { bytes: head, then: Then::Repeat(Bytes::from_static(b"x-more: and more and more and more\r\n")) }
    }

    /// Announces more than it sends, then closes.
    pub fn lying_length() -> Self {
        Self::closing(&b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort"[..])
    }

    /// Not HTTP at all.
    pub fn no_http() -> Self {
        Self::closing(&b"SSH-2.0-OpenSSH_9.2\r\n"[..])
    }
}

/// Listens on loopback, reads each request up to the end of its head, and writes raw bytes.
#[derive(Debug)]
pub struct RawReceiver {
    address: SocketAddr,
    answer: Arc<watch::Sender<RawAnswer>>,
    requests: watch::Receiver<usize>,
    // Aborts what it holds when it is dropped.
    _accepting: JoinSet<()>,
}

impl RawReceiver {
    /// Listens on a free port of 127.0.0.1; a connection serves one request.
    pub async fn start(answer: RawAnswer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let answer = Arc::new(watch::Sender::new(answer));
        let (count, requests) = watch::channel(0);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&answer), count));
        Self { address, answer, requests, _accepting: accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL with this path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers like this from now on.
    pub fn answer(&self, answer: RawAnswer) {
        self.answer.send_replace(answer);
    }

    /// Waits until at least `count` requests have come.
    pub async fn wait_for(&self, count: usize) {
        let mut requests = self.requests.clone();
        let reached = tokio::time::timeout(PATIENCE, requests.wait_for(|seen| *seen >= count)).await;
        assert!(reached.is_ok(), "waited for {count} requests; {} came", *self.requests.borrow());
    }
}

async fn accept(listener: TcpListener, answer: Arc<watch::Sender<RawAnswer>>, count: watch::Sender<usize>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    let count = Arc::new(count);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                connections.spawn(exchange(stream, Arc::clone(&answer), Arc::clone(&count)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn exchange(mut stream: TcpStream, answer: Arc<watch::Sender<RawAnswer>>, count: Arc<watch::Sender<usize>>) {
    if !read_head(&mut stream).await {
        return;
    }
    count.send_modify(|seen| *seen += 1);
    let answer = answer.borrow().clone();
    // The other side may go at any moment; that ends the exchange and is often what the test asks for.
    if stream.write_all(&answer.bytes).await.is_err() {
        return;
    }
    match answer.then {
        Then::Close => {
            if stream.shutdown().await.is_ok() {
                // Unread bytes at a close would turn it into a reset.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
        Then::Hang => {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        Then::Repeat(bytes) => while stream.write_all(&bytes).await.is_ok() {},
        Then::Reset => {
            // With a linger of zero a close is a reset.
            let _ = stream.set_zero_linger();
        }
    }
}

/// Reads up to the empty line; what of the body has come by then is left to be drained.
async fn read_head(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => seen.extend_from_slice(&chunk[..read]),
            Ok(0) | Err(_) => return false,
        }
    }
    true
}
