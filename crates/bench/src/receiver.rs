//! The benchmark's receiver: one thread that takes deliveries and answers 200, reading as little of them as it can.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arrivals::Arrivals;
use crate::clock::Clock;
use crate::error::{BenchError, Result};
use crate::stamp;

/// Connections served at once; more wait in the listener's backlog.
const CONNECTIONS: usize = 8_192;
/// The most bytes of one request.
const LONGEST: usize = 2 << 20;
/// What a connection reads at once.
const READ: usize = 16 << 10;
/// The most header fields of a request.
const FIELDS: usize = 64;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const REFUSAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

/// What a receiver does with a request.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Notes it and answers 200.
    Take(Arc<Mutex<Arrivals>>, Clock),
    /// Answers 500 to every fourth request of a connection, else 200, and notes nothing.
    Grudge,
    /// Accepts the connection, and never says a word.
    BlackHole,
}

/// A receiver on a thread of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens at `listen` (port 0: any) and serves.
    pub fn start(listen: SocketAddr, manner: Manner) -> Result<Self> {
        let failed = || BenchError::io(format!("listening on {listen} for deliveries"));
        let listener = StdListener::bind(listen).map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed())?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, manner) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            })
            .map_err(failed())?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A receiver that panicked has nothing more to say here.
            let _ = thread.join();
        }
    }
}

/// Locks the arrivals, also after a panic elsewhere: counts stay counts.
pub fn lock(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: StdListener, manner: Manner) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    while let Ok(permit) = room.clone().acquire_owned().await {
        // A connection that is gone before it is accepted is not ours to mourn.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let manner = manner.clone();
        connections.spawn(async move {
            // A connection that breaks off is the sender's failure, and seen there.
            let _ = match manner {
                Manner::Take(arrivals, clock) => {
                    serve(stream, |request| {
                        note(&arrivals, clock, request);
                        ANSWER
                    })
                    .await
                }
                Manner::Grudge => {
                    let mut count = 0_u64;
                    serve(stream, move |_| {
                        count += 1;
                        if count.is_multiple_of(4) { REFUSAL } else { ANSWER }
                    })
                    .await
                }
                Manner::BlackHole => swallow(stream).await,
            };
            drop(permit);
        });
    }
}

/// Reads until the sender gives up, and answers nothing.
async fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; READ];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Serves one connection: every whole request in the buffer, then the next read.
async fn serve(mut stream: TcpStream, mut answer: impl FnMut(&Incoming<'_>) -> &'static [u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(READ);
    loop {
        let mut at = 0;
        while let Some(request) = read_request(&buffer[at..])? {
            let answer = answer(&request);
            at += request.length;
            stream.write_all(answer).await?;
        }
        buffer.drain(..at);
        if buffer.len() > LONGEST || stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

fn note(arrivals: &Mutex<Arrivals>, clock: Clock, request: &Incoming<'_>) {
    let now = clock.now();
    let mut arrivals = lock(arrivals);
    match (request.endpoint, stamp::read(request.body)) {
        (Some(endpoint), Some(stamp)) if request.has_id => arrivals.arrive(endpoint, stamp, now),
        _ => arrivals.strange(),
    }
}

/// What the receiver reads of a request.
#[derive(Debug, PartialEq, Eq)]
struct Incoming<'a> {
    /// Bytes of the whole request.
    length: usize,
    /// The number after `/e/` in its path.
    endpoint: Option<u64>,
    /// Whether there was a `webhook-id`.
    has_id: bool,
    body: &'a [u8],
}

/// The path under which the receiver expects deliveries to an endpoint.
pub fn path(endpoint: u32) -> String {
    format!("/e/{endpoint}")
}

/// Reads the first request of the buffer; nothing while it is not whole.
fn read_request(bytes: &[u8]) -> std::io::Result<Option<Incoming<'_>>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(std::io::ErrorKind::InvalidData.into()),
    };
    let mut has_id = false;
    let mut body = 0;
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
            body = length.filter(|&length| length <= LONGEST).ok_or(std::io::ErrorKind::InvalidData)?;
        } else if field.name.eq_ignore_ascii_case("webhook-id") {
            has_id = !field.value.is_empty();
        }
    }
    let endpoint = request.path.and_then(|path| path.strip_prefix("/e/")).and_then(|number| number.parse().ok());
    let length = head + body;
    Ok(bytes.get(head..length).map(|body| Incoming { length, endpoint, has_id, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] =
        b"POST /e/3 HTTP/1.1\r\nhost: a\r\nWebhook-Id: msg_1\r\ncontent-length: 5\r\n\r\nhelloPOST /e/4 HTTP/1.1\r\n";

    #[test]
    fn a_request_is_read_once_it_is_whole_and_the_next_one_stays() {
        let whole = REQUEST.len() - "POST /e/4 HTTP/1.1\r\n".len();
        for cut in 0..whole {
            assert_eq!(read_request(&REQUEST[..cut]).unwrap(), None, "{cut}");
        }
        let expected = Incoming { length: whole, endpoint: Some(3), has_id: true, body: b"hello" };
        assert_eq!(read_request(REQUEST).unwrap(), Some(expected));
    }

    #[test]
    fn a_request_elsewhere_or_without_an_id_says_so() {
        let request = read_request(b"GET /favicon.ico HTTP/1.1\r\n\r\n").unwrap().unwrap();
        assert_eq!((request.endpoint, request.has_id), (None, false));
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        read_request(b"\x16\x03\x01 hello\r\n\r\n").unwrap_err();
        read_request(b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n").unwrap_err();
    }
}
