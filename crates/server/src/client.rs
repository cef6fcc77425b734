//! The client side of the API: what every command that talks to a server does.
//!
//! It is a small one on hyper and rustls, because both are in the tree for the server and the sender already.

pub mod input;
pub mod problem;
pub mod query;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use crate::failure::{Failure, Result};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take in all.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);
/// The largest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A server and how to call it, over one connection that is opened when it is needed.
pub struct Client {
    server: String,
    host: String,
    port: u16,
    path: String,
    is_tls: bool,
    key: Option<String>,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
    tasks: TaskTracker,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, whole.
    pub body: Bytes,
}

impl Client {
    /// A client for the server at this URL.
    pub fn new(server: &str, key: Option<String>) -> Result<Self> {
        let wrong = |reason: &str| Failure::new(format!("--server {server}: {reason}"));
        let uri: Uri = server.parse().map_err(|_| wrong("write a URL such as http://127.0.0.1:7678"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("write a URL such as http://127.0.0.1:7678")),
        };
        let host = uri.host().ok_or_else(|| wrong("it names no host"))?.to_owned();
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            host,
            is_tls,
            key,
            connection: Mutex::new(None),
            tasks: TaskTracker::new(),
        })
    }

    /// The server, as it was named.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Calls the API and reads its JSON; an answer that is no success is its problem's sentence.
    pub async fn call(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Value> {
        let answer = self.request(method, path, body).await?;
        if !answer.status.is_success() {
            return Err(problem::failure(&self.server, answer.status, &answer.body));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body)
            .map_err(|_| Failure::new(format!("{} answered something that is not JSON: is it Posthaste?", self.server)))
    }

    /// Sends one request and reads the whole answer, whatever its status.
    pub async fn request(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Answer> {
        let exchange = self.exchange(method, path, body);
        tokio::time::timeout(CALL_TIMEOUT, exchange)
            .await
            .map_err(|_| Failure::new(format!("{} did not answer within {CALL_TIMEOUT:?}", self.server)))?
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Answer> {
        let broken = |error: hyper::Error| {
            Failure::new(format!(
                "the connection to {} broke: {error}; whether it did its work is unknown",
                self.server
            ))
        };
        let request = self.build(method, path, body)?;
        // Held during the exchange: one connection carries one request at a time.
        let mut connection = self.connection.lock().await;
        let mut sender = match connection.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await?,
        };
        sender.ready().await.map_err(broken)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| Failure::new(format!("the answer of {} broke off: {error}", self.server)))?
            .to_bytes();
        *connection = Some(sender);
        Ok(Answer { status, body })
    }

    fn build(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("posthaste-cli/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|_| Failure::new("the key, or an id, holds characters that no request can carry"))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let unreachable = |reason: String| {
            Failure::new(format!(
                "no server answers at {} ({reason}): start one with `posthaste serve`, or name another with --server",
                self.server
            ))
        };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, self.port)))
            .await
            .map_err(|_| unreachable("no connection in time".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        // Requests are small; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        if self.is_tls {
            let stream = tls::connect(host, stream).await.map_err(unreachable)?;
            self.handshake(stream).await.map_err(unreachable)
        } else {
            self.handshake(stream).await.map_err(unreachable)
        }
    }

    async fn handshake<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        self.tasks.spawn(async move {
            // Its errors reach whoever waits for the answer.
            let _ = connection.await;
        });
        Ok(sender)
    }
}
