//! A plain HTTP/1.1 client: one connection a request.

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

    /// The answer's data, if there is no error in it.
    #[track_caller]
    pub fn data(&self) -> Value {
        let answer = self.json();
        assert!(self.status == 200 && answer.get("errors").is_none(), "{} {answer}", self.status);
        answer["data"].clone()
    }

    /// The first error, if its code is this.
    #[track_caller]
    pub fn refused(&self, code: &str) -> Value {
        let answer = self.json();
        let error = answer["errors"][0].clone();
        assert_eq!(error["extensions"]["code"], code, "{answer}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
        error
    }
}

/// Opens a connection and sends one request, which is the connection's last.
pub async fn begin(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), "connection: close".to_owned()];
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        lines.push(format!("host: {address}"));
    }
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(format!("content-length: {}", body.len()));
    let request = [format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes(), body].concat();
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(&request).await.expect("the server reads what is sent");
    stream
}

/// Sends one request and reads the answer.
pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let exchange = async {
        let mut stream = begin(address, method, path, headers, body).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the answer is there to be read");
        Reply::parse(&answer)
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer comes")
}
