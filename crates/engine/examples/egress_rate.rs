//! How many requests per second leave through `egress`, beside the same number of bare hyper connections.
//!
//! `cargo run --release -p posthaste-engine --example egress_rate [-- seconds rounds]`
//!
//! The senders share one thread, the receiver has another, both in this process. Rounds alternate, so that whatever
//! else the machine does meets both alike.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use posthaste_engine::egress::{Egress, EgressOptions, Outbound, PreparedUrl, Sent};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

type Failed = Box<dyn Error + Send + Sync>;

const SENDERS: usize = 64;
const BODY: &[u8] = &[b'x'; 512];

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let rounds: u32 = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let address = receiver()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut totals = [Sample::default(); 2];
    for round in 1..=rounds {
        let raw = runtime.block_on(measure(Duration::from_secs(seconds), || raw_sender(address)))?;
        let egress = egress(address)?;
        let ours = runtime.block_on(measure(Duration::from_secs(seconds), || egress_sender(egress.clone())))?;
        println!("round {round}: hyper {raw}, egress {ours}");
        totals[0].add(raw);
        totals[1].add(ours);
    }
    println!(
        "egress / hyper: {:.3} in requests per second, {:.3} in CPU time of the senders",
        totals[1].rate() / totals[0].rate(),
        totals[1].cpu_micros() / totals[0].cpu_micros(),
    );
    Ok(())
}

/// What a number of requests took.
#[derive(Clone, Copy, Default)]
struct Sample {
    requests: u64,
    time: Duration,
    cpu: Duration,
}

impl Sample {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.time += other.time;
        self.cpu += other.cpu;
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    fn rate(self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "a time for people to read")]
    fn cpu_micros(self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s at {:.2} µs CPU each", self.rate(), self.cpu_micros())
    }
}

/// The processor time of this thread, from the scheduler's own account.
fn thread_cpu() -> Result<Duration, Failed> {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = account.split_whitespace().next().ok_or("no processor time in schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

async fn measure<S, F>(time: Duration, mut sender: S) -> Result<Sample, Failed>
where
    S: FnMut() -> F,
    F: Future<Output = Result<OneRequest, Failed>>,
{
    let senders = futures_util::future::try_join_all((0..SENDERS).map(|_| sender())).await?;
    let tasks = TaskTracker::new();
    let (started, cpu) = (Instant::now(), thread_cpu()?);
    let until = started + time;
    let running: Vec<_> = senders.into_iter().map(|sender| tasks.spawn(repeat(sender, until))).collect();
    let mut requests = 0;
    for task in running {
        requests += task.await??;
    }
    Ok(Sample { requests, time: started.elapsed(), cpu: thread_cpu()?.saturating_sub(cpu) })
}

async fn repeat(mut sender: OneRequest, until: Instant) -> Result<u64, Failed> {
    let mut requests = 0;
    while Instant::now() < until {
        sender.send().await?;
        requests += 1;
    }
    Ok(requests)
}

/// One of the senders.
enum OneRequest {
    Raw(hyper::client::conn::http1::SendRequest<Full<Bytes>>, SocketAddr),
    Egress(Egress, Arc<PreparedUrl>),
}

impl OneRequest {
    async fn send(&mut self) -> Result<(), Failed> {
        match self {
            Self::Raw(sender, address) => {
                let mut request = Request::new(Full::new(Bytes::from_static(BODY)));
                *request.method_mut() = Method::POST;
                *request.uri_mut() = http::Uri::from_static("/hook");
                *request.headers_mut() = headers(HeaderMap::with_capacity(9));
                request.headers_mut().insert(http::header::HOST, HeaderValue::from_str(&address.to_string())?);
                request.headers_mut().insert(http::header::USER_AGENT, HeaderValue::from_static("raw"));
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                response.into_body().collect().await?;
            }
            Self::Egress(egress, url) => {
                let exchanged = egress
                    .send(Outbound {
                        url: Arc::clone(url),
                        method: Method::POST,
                        headers: headers(url.headers(6)),
                        body: Bytes::from_static(BODY),
                        timeout: Duration::from_secs(20),
                    })
                    .await;
                if exchanged.outcome != (Sent::Answered { status: 200 }) {
                    return Err(format!("{exchanged:?}").into());
                }
            }
        }
        Ok(())
    }
}

/// As many as a signed webhook has.
fn headers(mut headers: HeaderMap) -> HeaderMap {
    const ID: HeaderName = HeaderName::from_static("webhook-id");
    const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
    const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
    const PARENT: HeaderName = HeaderName::from_static("traceparent");
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID, HeaderValue::from_static("msg_01h455vb4pex5vsknk084sn02q"));
    headers.insert(TIMESTAMP, HeaderValue::from_static("1700000000"));
    headers.insert(SIGNATURE, HeaderValue::from_static("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    headers.insert(PARENT, HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    headers
}

async fn raw_sender(address: SocketAddr) -> Result<OneRequest, Failed> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with its sender.
    TaskTracker::new().spawn(connection);
    Ok(OneRequest::Raw(sender, address))
}

fn egress(address: SocketAddr) -> Result<(Egress, Arc<PreparedUrl>), Failed> {
    let options = EgressOptions { allow: loopback()?, ..EgressOptions::default() };
    let egress = Egress::new(options, TaskTracker::new())?;
    let url = egress.prepare(&format!("http://{address}/hook"))?;
    Ok((egress, url))
}

async fn egress_sender((egress, url): (Egress, Arc<PreparedUrl>)) -> Result<OneRequest, Failed> {
    Ok(OneRequest::Egress(egress, url))
}

/// Takes every body and answers 200, on a thread of its own.
fn receiver() -> Result<SocketAddr, Failed> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(accept(listener)));
    Ok(address)
}

async fn accept(listener: std::net::TcpListener) -> Result<(), Failed> {
    let listener = TcpListener::from_std(listener)?;
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = hyper::service::service_fn(answer);
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    // A body that breaks off is the sender's failure, and seen there.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Empty::new()))
}

fn loopback() -> Result<posthaste_core::address::AllowList, Failed> {
    Ok(posthaste_core::address::AllowList::new(vec!["127.0.0.0/8".parse()?]))
}
