//! The commands of the API, against a server.

use serde_json::{Value, json};

use crate::program::{Server, listen, posthaste, run};

#[test]
fn topics_are_made_listed_shown_changed_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &[]);
    assert_eq!(server.call(there, &["topics", "list"]).worked(), "none\n");
    server
        .call(there, &["topics", "create", "order.created", "--title", "An order", "--example", "{\"id\": 1}"])
        .worked();
    let twice = server.call(there, &["topics", "create", "order.created"]).refused();
    assert!(twice.contains("exists"), "{twice}");
    let shown = server.json(there, &["topics", "show", "order.created"]);
    assert_eq!((&shown["title"], &shown["example"]), (&Value::from("An order"), &json!({"id": 1})));
    let changed = server.json(there, &["topics", "update", "order.created", "--title", "Changed"]);
    assert_eq!(changed["title"], "Changed");
    assert!(server.call(there, &["topics", "update", "order.created"]).refused().contains("nothing to change"));
    let table = server.call(there, &["topics", "list"]).worked();
    assert!(table.starts_with("NAME") && table.contains("Changed"), "{table}");
    server.call(there, &["topics", "delete", "order.created"]).worked();
    assert!(server.call(there, &["topics", "show", "order.created"]).refused().contains("no such topic"));
}

#[test]
fn endpoints_are_paused_tested_rotated_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (receiver, url) = listen(there, &[]);
    let create =
        ["endpoints", "create", &url, "--topic", "a", "--topic", "b.*", "--max-attempts", "3", "--metadata", "team=x"];
    let made = server.json(there, &create);
    assert_eq!((&made["topics"], &made["max_attempts"]), (&json!(["a", "b.*"]), &json!(3)));
    let id = made["id"].as_str().unwrap();
    let verb = |verb: &str| server.json(there, &["endpoints", verb, id]);
    assert_eq!(verb("pause")["state"], "paused");
    assert_eq!(verb("resume")["state"], "active");
    assert_eq!(verb("test")["outcome"], "succeeded");
    receiver.says("webhook-id");
    let before = verb("secret")["secret"].clone();
    assert_eq!(before, made["secret"]);
    let rotated = server.json(there, &["endpoints", "rotate-secret", id, "--overlap-seconds", "60"]);
    assert_ne!(rotated["secret"], before);
    assert_eq!(rotated["previous"][0]["secret"], before);
    server.call(there, &["send", "a", "1"]).worked();
    receiver.says("webhook-id");
    server.running.logs("\"message\":\"attempt\"");
    assert_eq!(verb("stats")["succeeded"], 2, "the test is one of them");
    let wrong = server.call(there, &["endpoints", "update", id, "--set", "no_such_member=1"]).refused();
    assert!(wrong.contains("no_such_member"), "{wrong}");
    server.call(there, &["endpoints", "delete", id]).worked();
    assert!(server.call(there, &["endpoints", "show", id]).refused().contains("no such endpoint"));
}

#[test]
fn what_failed_is_listed_and_retried() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (down, url) = listen(there, &["--status", "503"]);
    let create = ["endpoints", "create", &url, "--topic", "a", "--max-attempts", "1", "--uid", "x"];
    server.call(there, &create).worked();
    for payload in ["1", "2", "3"] {
        server.call(there, &["send", "a", payload]).worked();
        server.running.logs("\"delivery_status\":\"failed\"");
    }
    drop(down);
    let failed = server.json(there, &["deliveries", "list", "--status", "failed", "--limit", "2"]);
    assert_eq!(failed["data"].as_array().unwrap().len(), 2);
    assert!(failed["next_cursor"].is_string());
    let cursor = failed["next_cursor"].as_str().unwrap();
    let rest = server.json(there, &["deliveries", "list", "--status", "failed", "--cursor", cursor]);
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);

    let (receiver, url) = listen(there, &[]);
    server.call(there, &["endpoints", "update", "uid:x", "--url", &url]).worked();
    let out = server.call(there, &["retry", "--failed", "--topic", "a"]).worked();
    assert_eq!(out.lines().count(), 3, "{out}");
    for _ in 0..3 {
        receiver.says("webhook-id");
    }
    let id = failed["data"][0]["id"].as_str().unwrap();
    for _ in 0..3 {
        server.running.logs("\"outcome\":\"succeeded\"");
    }
    let attempts = server.json(there, &["deliveries", "attempts", id]);
    assert_eq!(attempts["data"].as_array().unwrap().len(), 2, "{attempts}");
    let unknown = server.call(there, &["retry", "dlv_nothing"]).refused();
    assert!(unknown.contains("no such delivery"), "{unknown}");
}

#[test]
fn a_message_comes_from_the_command_line_a_file_or_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    std::fs::write(there.join("payload.json"), "{\"from\": \"a file\"}\n").unwrap();
    let shown = |sent: &Value| server.json(there, &["messages", "show", sent["id"].as_str().unwrap()]);
    let sent = server.json(there, &["send", "a", "@payload.json", "--header", "X-Team: b", "--metadata", "k=v"]);
    let message = shown(&sent);
    assert_eq!((&message["payload"], &message["metadata"]), (&json!({"from": "a file"}), &json!({"k": "v"})));
    let sent = server.json(there, &["send", "a", "--text", "plain words"]);
    assert_eq!(shown(&sent)["payload_text"], "plain words");
    let mut command = posthaste(there, &["send", "a", "-", "--output", "json", "--server", &server.url]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"[1, 2]").unwrap();
    let sent: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(shown(&sent)["payload"], json!([1, 2]));

    let first = server.json(there, &["send", "a", "1", "--idempotency-key", "k"]);
    let again = server.call(there, &["send", "a", "1", "--idempotency-key", "k"]).worked();
    assert!(again.contains(first["id"].as_str().unwrap()) && again.contains("before"), "{again}");
    let refused = server.call(there, &["send", "a", "2", "--idempotency-key", "k"]).refused();
    assert!(refused.contains("idempotency"), "{refused}");
    let refused = run(&mut posthaste(there, &["send", "--server", &server.url])).refused();
    assert!(refused.contains("topic"), "{refused}");
}

#[test]
fn lines_of_standard_input_are_published_in_order_and_wrong_ones_told() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let mut lines: Vec<String> =
        (0..1_200).map(|n| format!("{{\"kind\": {{\"name\": \"a.b\"}}, \"n\": {n}}}")).collect();
    lines[7] = "{broken".to_owned();
    lines[600] = "{\"kind\": 5}".to_owned();
    std::fs::write(there.join("lines.ndjson"), lines.join("\n")).unwrap();
    let mut command = posthaste(there, &["pipe", "--topic-field", "kind.name", "--server", &server.url]);
    let output = command.stdin(std::fs::File::open(there.join("lines.ndjson")).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(out, "1198 accepted, 2 refused\n");
    assert!(err.contains("line 8: not JSON") && err.contains("line 601: it has no text in `kind.name`"), "{err}");
    let listed = server.json(there, &["messages", "list", "--topic", "a.b", "--limit", "2000"]);
    let messages = listed["data"].as_array().unwrap();
    assert_eq!(messages.len(), 1_198, "a list longer than a page is gathered from several");
}

#[test]
fn the_openapi_document_names_every_path_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let document = run(&mut posthaste(directory.path(), &["openapi"])).worked();
    let document: Value = serde_json::from_str(&document).unwrap();
    for path in ["/v1/topics", "/v1/endpoints", "/v1/messages", "/v1/deliveries", "/v1/keys"] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
}
