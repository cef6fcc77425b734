//! A server's life: from a publish to a verified request, its keys, its stop and its next start.

use serde_json::Value;

use crate::program::{SECRET, Server, listen, posthaste, raw, run};

#[test]
fn what_is_sent_arrives_signed_and_is_shown_as_succeeded() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &[]);
    let (receiver, url) = listen(there, &["--secret", SECRET]);
    server.call(there, &["topics", "create", "order.created"]).worked();
    let endpoint = server.json(there, &["endpoints", "create", &url, "--topic", "order.*", "--secret", SECRET]);
    let payload = "{\"id\": 12345678901234567890123,   \"exact\": 1.0}";
    let sent = server.json(there, &["send", "order.created", payload]);
    assert_eq!(sent["deliveries"], 1);

    let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!(received["verified"], true, "{received}");
    assert_eq!(received["body"], payload, "every byte of the payload arrives as it was given");
    assert_eq!(received["headers"]["webhook-id"], sent["id"]);

    let attempt = server.running.logs("\"message\":\"attempt\"");
    let attempt: Value = serde_json::from_str(&attempt).unwrap();
    assert_eq!(attempt["outcome"], "succeeded");
    assert_eq!(attempt["message_id"], sent["id"]);
    assert_eq!(attempt["endpoint_id"], endpoint["id"]);

    let deliveries = server.json(there, &["deliveries", "list"]);
    assert_eq!(deliveries["data"][0]["status"], "succeeded", "{deliveries}");
    let table = server.call(there, &["deliveries", "list"]).worked();
    assert!(table.starts_with("ID") && table.contains("succeeded") && table.contains("order.created"), "{table}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_receiver_with_another_secret_refuses_and_the_delivery_waits() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (receiver, url) = listen(there, &["--secret", "another secret"]);
    server.call(there, &["endpoints", "create", &url, "--topic", "a", "--secret", SECRET]).worked();
    server.call(there, &["send", "a", "1"]).worked();
    let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!((&received["verified"], &received["answered"]), (&Value::Bool(false), &Value::from(401)));
    server.running.logs("\"outcome\":\"rejected\"");
    let delivery = &server.json(there, &["deliveries", "list", "--status", "pending"])["data"][0];
    assert_eq!((&delivery["waiting_for"], &delivery["last_status_code"]), (&Value::from("retry"), &Value::from(401)));
}

#[test]
fn a_stop_lets_the_exchange_in_flight_end_and_records_it() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    // The receiver prints a request when it comes, so the stop is sent while the server still waits for the answer.
    let (receiver, url) = listen(there, &["--delay-seconds", "2"]);
    server.call(there, &["endpoints", "create", &url, "--topic", "a"]).worked();
    server.call(there, &["send", "a", "1"]).worked();
    receiver.says("webhook-id");
    assert_eq!(server.stop(), Some(0));

    let again = Server::start(there, &[]);
    let delivery = &again.json(there, &["deliveries", "list"])["data"][0];
    assert_eq!(
        (&delivery["status"], &delivery["attempts"]),
        (&Value::from("succeeded"), &Value::from(1)),
        "{delivery}"
    );
}

#[test]
fn a_second_signal_ends_at_once_and_the_next_start_sends_again() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (receiver, url) = listen(there, &["--delay-seconds", "20"]);
    server.call(there, &["endpoints", "create", &url, "--topic", "a", "--uid", "x"]).worked();
    server.call(there, &["send", "a", "1"]).worked();
    receiver.says("webhook-id");
    server.running.signal("TERM");
    server.running.logs("stopping");
    server.running.signal("TERM");
    assert_eq!(server.running.ended(), Some(130));
    drop(receiver);

    let again = Server::start(there, &[]);
    let (receiver, url) = listen(there, &[]);
    again.call(there, &["endpoints", "update", "uid:x", "--url", &url]).worked();
    let id = again.json(there, &["deliveries", "list"])["data"][0]["id"].as_str().unwrap().to_owned();
    again.call(there, &["retry", &id]);
    receiver.says("webhook-id");
}

#[test]
fn what_was_accepted_while_the_receiver_was_away_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let retry = "retry.schedule_seconds=[1,1,1,1,1,1,1,1,1]";
    let away = ["endpoints", "create", "http://127.0.0.1:1/", "--topic", "a", "--uid", "x", "--set", retry];
    server.call(there, &away).worked();
    server.call(there, &["send", "a", "{\"kept\": true}"]).worked();
    server.running.logs("\"outcome\":\"connect_error\"");
    assert_eq!(server.stop(), Some(0));

    let (receiver, url) = listen(there, &[]);
    let again = Server::start(there, &[]);
    again.call(there, &["endpoints", "update", "uid:x", "--url", &url]).worked();
    assert!(receiver.says("webhook-id").contains("kept"));
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    const LINES: u64 = 4_000;
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics", "--log-attempts", "none"]);
    let address = server.address.clone();
    let (receiver, url) = listen(there, &["--secret", SECRET]);
    server.call(there, &["endpoints", "create", &url, "--topic", "a", "--secret", SECRET]).worked();
    let lines = (0..LINES).map(|n| format!("{{\"n\": {n}}}")).collect::<Vec<_>>().join("\n");
    std::fs::write(there.join("lines.ndjson"), lines).unwrap();
    let mut command = posthaste(there, &["pipe", "--topic", "a", "--server", &server.url]);
    let input = std::fs::File::open(there.join("lines.ndjson")).unwrap();
    let publisher = command.stdin(input).stdout(std::process::Stdio::piped()).spawn().unwrap();

    let mut seen = std::collections::BTreeSet::new();
    let mut take = || {
        let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
        assert_eq!(received["verified"], true);
        let event: Value = serde_json::from_str(received["body"].as_str().unwrap()).unwrap();
        seen.insert(event["n"].as_u64().unwrap());
        seen.len() as u64
    };
    while take() < 100 {}
    server.running.signal("KILL");
    server.running.ended();
    let again = ["serve", "--listen", &address, "--allow-net", "127.0.0.0/8", "--log-attempts", "none"];
    let _again = Server::of(posthaste(there, &again));
    while take() < LINES {}
    // The publisher repeats a batch whose answer was lost, with its keys, so each line is one message.
    let output = publisher.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{LINES} accepted, 0 refused\n"));
}

#[test]
fn with_an_admin_key_every_call_needs_one() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let admin = "an admin key of enough characters";
    let server = Server::of({
        let mut command = posthaste(there, &["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command.env("POSTHASTE_ADMIN_KEY", admin);
        command
    });
    let refused = server.call(there, &["topics", "list"]).refused();
    assert!(refused.contains("POSTHASTE_KEY"), "{refused}");
    let with = |key: &str, arguments: &[&str]| {
        run(posthaste(there, arguments).env("POSTHASTE_SERVER", &server.url).env("POSTHASTE_KEY", key))
    };
    with(admin, &["topics", "create", "a"]).worked();
    let made = with(admin, &["keys", "create", "ci", "--scope", "publish", "--output", "json"]).worked();
    let made: Value = serde_json::from_str(&made).unwrap();
    let key = made["key"].as_str().unwrap();
    with(key, &["send", "a", "1"]).worked();
    assert!(with(key, &["topics", "list"]).refused().contains("scope"));
    with(admin, &["keys", "delete", made["id"].as_str().unwrap()]).worked();
    assert!(with(key, &["send", "a", "1"]).refused().contains("not known"));
    server.call(there, &["healthcheck"]).worked();
    assert!(raw(&server.address, "GET /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 401"));
}

#[test]
fn metrics_are_open_on_a_listener_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut command =
        posthaste(directory.path(), &["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    command.env("POSTHASTE_ADMIN_KEY", "an admin key of enough characters");
    let server = Server::of(command);
    let line: Value = serde_json::from_str(&server.running.logs("metrics on http://")).unwrap();
    let answer = raw(line["address"].as_str().unwrap(), "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("posthaste_messages_accepted_total"), "{answer}");
    let answer = raw(line["address"].as_str().unwrap(), "GET /v1/topics HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 404"), "{answer}");
}

#[test]
fn a_page_that_points_its_own_name_here_is_turned_away() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let answer = raw(&server.address, "GET /v1/topics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    let answer = raw(&server.address, "GET /v1/topics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn http_2_is_spoken_without_tls() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        let request = http::Request::get(format!("{}/readyz", server.url))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        tokio::select! {
            answer = sender.send_request(request) => answer.unwrap().status(),
            ended = connection => panic!("the connection ended: {ended:?}"),
        }
    });
    assert_eq!(status, 200);
}

#[test]
fn a_secret_key_is_made_beside_the_file_and_secrets_lie_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &[]);
    let create = ["endpoints", "create", "http://127.0.0.1:9/", "--topic", "a", "--secret", "find-me-in-the-database"];
    server.call(there, &["topics", "create", "a"]).worked();
    let id = server.json(there, &create)["id"].as_str().unwrap().to_owned();
    assert_eq!(server.stop(), Some(0));
    assert_eq!(std::fs::read_to_string(there.join("posthaste.db.key")).unwrap().trim().len(), 64);
    for name in ["posthaste.db", "posthaste.db-wal"] {
        let bytes = std::fs::read(there.join(name)).unwrap_or_default();
        assert!(!bytes.windows(12).any(|window| window == b"find-me-in-t"), "{name} holds the secret");
    }
    let again = Server::start(there, &[]);
    assert_eq!(again.json(there, &["endpoints", "secret", &id])["secret"], "find-me-in-the-database");
}
