//! Endpoints that have to say that they want messages, against receivers that do and do not.

use posthaste_testkit::{Answer, Received, Receiver};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::program::{Server, raw};

fn receiver() -> (Runtime, Receiver) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let receiver = runtime.block_on(Receiver::start());
    (runtime, receiver)
}

fn is_active(endpoint: &Value) -> bool {
    endpoint["state"] == "active"
}

#[test]
fn a_token_that_is_brought_back_makes_an_endpoint_active() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics", "--verification", "token"]);
    let (runtime, receiver) = receiver();
    let endpoint = server.json(there, &["endpoints", "create", &receiver.url("/hook"), "--topic", "a"]);
    let id = endpoint["id"].as_str().unwrap();
    let challenge = runtime.block_on(receiver.wait_for(1)).remove(0);
    assert_eq!(challenge.header("webhook-signature").split(',').next(), Some("v1"), "the question is signed");
    let challenge: Value = serde_json::from_slice(&challenge.body).unwrap();
    assert_eq!((&challenge["type"], &challenge["endpoint_id"]), (&json!("posthaste.verification"), &endpoint["id"]));
    assert_eq!(server.json(there, &["send", "a", "1"])["deliveries"], 0, "nothing but the question until then");
    assert!(server.call(there, &["endpoints", "verify", id, "--token", "wrong"]).refused().contains("token"));
    let token = challenge["token"].as_str().unwrap();
    assert_eq!(server.json(there, &["endpoints", "verify", id, "--token", token])["state"], "active");
    server.call(there, &["endpoints", "verify", id, "--token", token]).refused();
    let sent = server.json(there, &["send", "a", "2"]);
    let message = runtime.block_on(receiver.wait_for(2)).remove(1);
    assert_eq!(Value::from(message.header("webhook-id")), sent["id"]);
}

#[test]
fn a_handshake_that_is_answered_makes_an_endpoint_active_at_once_or_at_the_callback() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let origin = ["--origin", "events.example.com", "--public-url", "http://127.0.0.1:1"];
    let server = Server::start(there, &[&["--auto-topics", "--verification", "cloudevents"][..], &origin].concat());
    let (runtime, receiver) = receiver();
    receiver.answer_by(|request: &Received| match (request.method.as_str(), request.path.as_str()) {
        ("OPTIONS", "/at-once") => Answer::status(200)
            .header("webhook-allowed-origin", "events.example.com")
            .header("webhook-allowed-rate", "120"),
        _ => Answer::status(200),
    });
    let create = |path: &str| server.json(there, &["endpoints", "create", &receiver.url(path), "--topic", "a"]);
    let at_once = create("/at-once");
    let show =
        |endpoint: &Value| ["endpoints".to_owned(), "show".to_owned(), endpoint["id"].as_str().unwrap().to_owned()];
    let until_active = |endpoint: &Value| {
        let arguments = show(endpoint);
        server.until(there, &arguments.each_ref().map(String::as_str), is_active)
    };
    assert_eq!(until_active(&at_once)["rate_limit"]["per_second"].as_f64(), Some(2.0), "the permitted rate is kept");

    let later = create("/later");
    let asked = |all: &[Received]| all.iter().any(|request| request.path == "/later");
    let requests = runtime.block_on(receiver.wait_until("the handshake", asked));
    let question = requests.iter().find(|request| request.path == "/later").unwrap();
    assert_eq!(
        (question.method.as_str(), question.header("webhook-request-origin")),
        ("OPTIONS", "events.example.com")
    );
    assert_eq!(server.json(there, &["send", "a", "1"])["deliveries"], 1, "only the one that has said so");
    let callback = question.header("webhook-request-callback").strip_prefix("http://127.0.0.1:1").unwrap();
    let answer =
        raw(&server.address, &format!("GET {callback} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until_active(&later);
    assert_eq!(server.json(there, &["send", "a", "2"])["deliveries"], 2);
}
