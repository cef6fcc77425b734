//! The loopback ceiling: the bare POST rate between two plain processes on this machine.
//!
//! One single-threaded client with 64 kept-alive connections against one single-threaded hyper receiver in a process of
//! its own, 512-byte bodies. No delivery system that speaks HTTP gets beyond it here, so the ratio to it says more than
//! a figure, and bears being compared between machines.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, nanos};
use crate::error::{BenchError, Result};
use crate::latency::per_second;
use crate::stamp;
use crate::wire::Connection;

/// Connections of the client.
const CONNECTIONS: usize = 64;
/// Bytes of each body.
const BODY: usize = 512;
/// What makes this program the receiver.
const RECEIVER: [&str; 2] = ["bench", "--loopback-receiver"];

/// Measures the ceiling for `time`, and answers POSTs per second. `program` is one that has the command `bench`.
pub async fn measure(program: &Path, time: Duration) -> Result<f64> {
    let receiver = ReceiverProcess::start(program)?;
    let address = receiver.address;
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(BenchError::io("starting the loopback client"))?.block_on(client(address, time))
    });
    measured.await.map_err(|_| BenchError::Panicked("loopback client"))?
}

async fn client(address: SocketAddr, time: Duration) -> Result<f64> {
    let failed = || BenchError::io("posting to the loopback receiver");
    let payload = stamp::blank(BODY);
    let head = format!(
        "POST /hook HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {BODY}\r\n\r\n"
    );
    let request: Bytes = [head.into_bytes(), payload].concat().into();
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(address).await.map_err(failed())?);
    }
    let clock = Clock::start();
    let end = nanos(time);
    let mut posting = JoinSet::new();
    for connection in connections {
        posting.spawn(post(connection, request.clone(), clock, end));
    }
    let mut posts = 0;
    while let Some(posted) = posting.join_next().await {
        posts += posted.map_err(|_| BenchError::Panicked("loopback client"))?.map_err(failed())?;
    }
    Ok(per_second(posts, clock.now()))
}

async fn post(mut connection: Connection, request: Bytes, clock: Clock, end: u64) -> std::io::Result<u64> {
    let mut posts = 0;
    while clock.now() < end {
        let answer = connection.exchange(&request).await.map_err(std::io::Error::other)?;
        if answer.status != 200 {
            return Err(std::io::Error::other(format!("it answered {}", answer.status)));
        }
        posts += 1;
    }
    Ok(posts)
}

/// The receiver's process; it is killed when this is dropped.
#[derive(Debug)]
struct ReceiverProcess {
    child: Child,
    address: SocketAddr,
}

impl ReceiverProcess {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .args(RECEIVER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io(format!("starting {} as the loopback receiver", program.display())))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(BenchError::io("reading the loopback receiver's address"))?;
        }
        match line.trim().parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                let detail = format!("it printed {:?} instead of its address", line.trim());
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                Err(BenchError::Start { what: "the loopback receiver".to_owned(), detail })
            }
        }
    }
}

impl Drop for ReceiverProcess {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The receiver's side: prints its address, then takes POSTs until its process is ended, all on this thread.
pub fn receive(mut announce: impl std::io::Write) -> Result<()> {
    let failed = || BenchError::io("serving as the loopback receiver");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed())?;
        writeln!(announce, "{}", listener.local_addr().map_err(failed())?).map_err(failed())?;
        announce.flush().map_err(failed())?;
        let connections = TaskTracker::new();
        loop {
            let (stream, _) = listener.accept().await.map_err(failed())?;
            stream.set_nodelay(true).map_err(failed())?;
            let service = hyper::service::service_fn(answer);
            connections
                .spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    // A body that breaks off is the sender's failure, and seen there.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Empty::new()))
}
