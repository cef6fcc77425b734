//! A plain HTTP/1.1 client: one connection a request, so that a test can also send what a library would not.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use posthaste_testkit::PATIENCE;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// Reads a whole response.
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
        let head = str::from_utf8(&bytes[..end]).expect("a head is ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a header name"), HeaderValue::from_str(value).expect("a header value"))
        });
        let body = Bytes::copy_from_slice(&bytes[end + 4..]);
        Self { status: status.expect("a status"), headers: headers.collect(), body }
    }

    /// A header; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON, if the status is this.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Holds what every refusal has; `place` is the pointer or parameter that is named (none: `-`).
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, place: &str) {
        let shown = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{shown}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{shown}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{shown}");
        assert_eq!(problem["type"], format!("urn:posthaste:problem:{code}"), "{shown}");
        assert_eq!(problem["status"], status, "{shown}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{shown}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{shown}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{shown}");
        if place != "-" {
            let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {shown}"));
            let named = |error: &Value| error["pointer"] == place || error["parameter"] == place;
            assert!(errors.iter().any(named), "`{place}` is not named: {shown}");
        }
    }
}

/// Sends one request and reads the answer.
pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), "connection: close".to_owned()];
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        lines.push(format!("host: {address}"));
    }
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if !body.is_empty() || method == "POST" || method == "PATCH" {
        lines.push(format!("content-length: {}", body.len()));
    }
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    let request = [head.as_bytes(), body].concat();
    raw(address, &request).await
}

/// Sends these bytes to their end, and only then reads: as a client does that does not look at early answers.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Reply {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(request).await.expect("the server reads what is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the answer is there to be read");
        Reply::parse(&answer)
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer comes")
}
