//! A stand-in for a server: it stores nothing, and delivers each message as badly as it is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// How it misbehaves: every so many messages, or never (0).
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Accepted and never delivered.
    pub lose: u64,
    /// Delivered twice.
    pub repeat: u64,
    /// Answered 503.
    pub refuse: u64,
}

#[derive(Debug, Default)]
pub struct StandIn {
    faults: Faults,
    messages: AtomicU64,
    /// URL and topic of each endpoint.
    endpoints: Mutex<Vec<(String, String)>>,
    /// Requests other than publishes, as `METHOD path`.
    pub calls: Mutex<Vec<String>>,
    tasks: TaskTracker,
}

impl StandIn {
    pub async fn start(faults: Faults) -> (Arc<Self>, SocketAddr) {
        let stand_in = Arc::new(Self { faults, ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = stand_in.clone();
        stand_in.tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let serving = serving.clone();
                let tracker = serving.tasks.clone();
                tracker.spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let serving = serving.clone();
                        async move { Ok::<_, Infallible>(serving.answer(request).await) }
                    });
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
                });
            }
        });
        (stand_in, address)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let call = format!("{} {}", request.method(), request.uri().path());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = match call.as_str() {
            "POST /v1/messages" => self.publish(&body),
            "POST /v1/messages/batch" => {
                let messages = body["messages"].as_array().unwrap();
                let results: Vec<Value> = messages.iter().map(|message| self.publish(message).1).collect();
                (202, json!({ "results": results }))
            }
            "POST /v1/endpoints" => {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let mut endpoints = self.endpoints.lock().unwrap();
                endpoints.push((text(&body["url"]), text(&body["topics"][0])));
                (201, json!({ "id": format!("ep_{}", endpoints.len()) }))
            }
            _ if call.starts_with("DELETE ") => (200, json!({})),
            _ if call.starts_with("GET /v1/") => (200, json!({ "data": [], "next_cursor": null })),
            _ => (201, json!({})),
        };
        if !call.starts_with("POST /v1/messages") {
            self.calls.lock().unwrap().push(call);
        }
        Response::builder().status(status).body(Full::new(Bytes::from(answer.to_string()))).unwrap()
    }

    fn publish(&self, message: &Value) -> (u16, Value) {
        let number = self.messages.fetch_add(1, Ordering::Relaxed) + 1;
        let is_every = |every: u64| every > 0 && number.is_multiple_of(every);
        if is_every(self.faults.refuse) {
            return (503, json!({ "error": { "status": 503 } }));
        }
        let times = if is_every(self.faults.lose) {
            0
        } else if is_every(self.faults.repeat) {
            2
        } else {
            1
        };
        let payload = Bytes::from(message["payload"].to_string());
        for (url, topic) in self.endpoints.lock().unwrap().iter() {
            if message["topic"] == topic.as_str() {
                for _ in 0..times {
                    self.tasks.spawn(deliver(url.clone(), payload.clone()));
                }
            }
        }
        (202, json!({ "id": format!("msg_{number}") }))
    }
}

async fn deliver(url: String, payload: Bytes) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/{path}"))
        .header("host", host)
        .header("webhook-id", "msg_1")
        .body(Full::new(payload))
        .unwrap();
    let exchange = async {
        let answer = sender.send_request(request).await;
        drop(sender);
        answer
    };
    // A black hole, and a receiver that has ended meanwhile, answer nothing.
    let _ = tokio::join!(connection, exchange);
}
