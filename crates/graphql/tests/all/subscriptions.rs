//! Deliveries as they change, over both transports.

use futures_util::{SinkExt as _, StreamExt as _};
use posthaste_testkit::{Answer, PATIENCE, Receiver};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client;
use crate::stage::{ADMIN_KEY, Stage};

const WATCH: &str = "subscription($message: ID, $endpoint: ID) {
    deliveryChanged(messageId: $message, endpointId: $endpoint) { id status attemptCount endpoint { url } } }";

/// A client of `graphql-transport-ws`.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(stage: &Stage) -> Self {
        let mut request = format!("ws://{}/graphql", stage.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Self(connect_async(request).await.unwrap().0)
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message; the code of a close as `{"close": …}`.
    async fn next(&mut self) -> Value {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message comes") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(frame))) => return json!({"close": frame.map(|frame| u16::from(frame.code))}),
                Some(Ok(_)) => {}
                ended => panic!("the socket ended: {ended:?}"),
            }
        }
    }

    async fn begin(stage: &Stage, payload: Value) -> Self {
        let mut socket = Self::open(stage).await;
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }
}

#[tokio::test]
async fn a_websocket_shows_a_delivery_as_it_changes() {
    let (stage, receiver) = (Stage::keyed().await, Receiver::start().await);
    receiver.answer(Answer::status(500));
    stage.topic("a").await;
    let endpoint = stage.endpoint(&receiver.url("/"), json!({"maxAttempts": 1})).await;
    let mut socket = Socket::begin(&stage, json!({"Authorization": format!("Bearer {ADMIN_KEY}")})).await;
    let variables = json!({"endpoint": endpoint});
    socket.send(json!({"id": "1", "type": "subscribe", "payload": {"query": WATCH, "variables": variables}})).await;
    stage.publish("a", json!(1)).await;
    let mut shown = socket.next().await;
    while shown["payload"]["data"]["deliveryChanged"]["status"] == "PENDING" {
        shown = socket.next().await;
    }
    let failed = shown["payload"]["data"]["deliveryChanged"].clone();
    assert_eq!((&shown["id"], &shown["type"], &failed["status"]), (&json!("1"), &json!("next"), &json!("FAILED")));
    assert_eq!(failed["endpoint"]["url"], receiver.url("/"));
    receiver.answer(Answer::status(200));
    let retry = "mutation($id: ID!) { retryDelivery(id: $id) { id } }";
    // Operations of other kinds go over the same socket.
    let variables = json!({"id": failed["id"]});
    socket.send(json!({"id": "2", "type": "subscribe", "payload": {"query": retry, "variables": variables}})).await;
    let mut retried = false;
    loop {
        let message = socket.next().await;
        retried |= message["id"] == "2" && message["payload"]["data"]["retryDelivery"]["id"] == failed["id"];
        if message["payload"]["data"]["deliveryChanged"]["status"] == "SUCCEEDED" {
            break;
        }
    }
    assert!(retried);
    socket.send(json!({"id": "1", "type": "complete"})).await;
    stage.ending.cancel();
    let mut last = socket.next().await;
    while last.get("close").is_none() {
        last = socket.next().await;
    }
    assert_eq!(last["close"], 1001);
}

#[tokio::test]
async fn an_event_stream_shows_the_same_and_ends_with_the_server() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    stage.endpoint(&receiver.url("/"), json!({})).await;
    let message = stage.publish("a", json!(1)).await;
    let body = json!({"query": WATCH, "variables": {"message": message}}).to_string();
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let mut stream = client::begin(stage.address, "POST", "/graphql", &headers, body.as_bytes()).await;
    let mut seen = Vec::new();
    let follow = async {
        let mut piece = [0; 4_096];
        loop {
            let count = stream.read(&mut piece).await.unwrap();
            if count == 0 {
                return;
            }
            seen.extend_from_slice(&piece[..count]);
            if String::from_utf8_lossy(&seen).contains("SUCCEEDED") {
                stage.ending.cancel();
            }
        }
    };
    tokio::time::timeout(PATIENCE, follow).await.expect("the stream ends with the server");
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("content-type: text/event-stream") && seen.contains("event: next"), "{seen}");
    assert!(seen.contains("event: complete"), "{seen}");
}

#[tokio::test]
async fn a_subscription_that_cannot_be_is_refused() {
    let stage = Stage::keyed().await;
    let mut stranger = Socket::open(&stage).await;
    stranger.send(json!({"type": "connection_init", "payload": {}})).await;
    assert!(stranger.next().await.get("close").is_some());
    let mut socket = Socket::begin(&stage, json!({"authorization": format!("Bearer {ADMIN_KEY}")})).await;
    for (id, variables, code) in
        [("1", json!({}), "invalid"), ("2", json!({"endpoint": "ep_00000000000000000000000000"}), "not_found")]
    {
        socket.send(json!({"id": id, "type": "subscribe", "payload": {"query": WATCH, "variables": variables}})).await;
        let refused = socket.next().await;
        let errors = if refused["type"] == "error" { &refused["payload"] } else { &refused["payload"]["errors"] };
        assert_eq!(errors[0]["extensions"]["code"], code, "{refused}");
        assert_eq!(socket.next().await["type"], "complete");
    }
    stage.ask(WATCH, json!({"endpoint": "x"})).await.refused("invalid_query");
}
