//! Publishing by the clock, and by the line.

use std::fs;

use serde_json::Value;

use crate::program::{Server, listen, posthaste};

#[test]
fn a_schedule_is_made_fired_switched_off_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (receiver, url) = listen(there, &[]);
    server.call(there, &["endpoints", "create", &url, "--topic", "report.due"]).worked();
    let zone = ["--timezone", "Europe/Berlin", "--topic", "report.due", "--payload", "{\"day\": 1}", "--name", "daily"];
    let made = server.json(there, &[&["schedules", "create", "0 9 * * *"][..], &zone].concat());
    let id = made["id"].as_str().unwrap();
    assert!(made["next_fire_at"].is_string(), "{made}");
    let fired = server.json(there, &["schedules", "fire", id]);
    let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!(received["headers"]["webhook-id"], fired["id"]);
    let off = server.json(there, &["schedules", "update", id, "--enabled", "false"]);
    assert_eq!((&off["enabled"], &off["next_fire_at"]), (&Value::from(false), &Value::Null));
    let list = server.call(there, &["schedules", "list"]).worked();
    assert!(list.contains("Europe/Berlin") && list.contains("daily"), "{list}");
    server.call(there, &["schedules", "delete", id]).worked();
    assert_eq!(server.call(there, &["schedules", "list"]).worked(), "none\n");
}

#[test]
fn lines_of_a_pipe_carry_what_was_said_once_for_all_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    fs::write(there.join("lines"), "{\"type\":\"a\",\"order\":{\"id\":7}}\n").unwrap();
    let arguments =
        ["pipe", "--topic-field", "type", "--ordering-key-field", "order.id", "--expires-at", "2090-01-01T00:00:00Z"];
    let rest = ["--metadata", "from=file", "--header", "x-a: b", "--delay", "60"];
    let mut command = posthaste(there, &[&arguments[..], &rest].concat());
    let piped = command
        .env("POSTHASTE_SERVER", &server.url)
        .stdin(fs::File::open(there.join("lines")).unwrap())
        .output()
        .unwrap();
    assert!(piped.status.success(), "{piped:?}");
    let message = &server.json(there, &["messages", "list", "--ordering-key", "7"])["data"][0];
    assert_eq!((&message["topic"], &message["metadata"]["from"]), (&"a".into(), &"file".into()), "{message}");
    assert_eq!(
        (&message["headers"]["x-a"], &message["expires_at"]),
        (&"b".into(), &"2090-01-01T00:00:00Z".into()),
        "{message}"
    );
    let sent = server.json(there, &["send", "a", "1", "--ordering-key", "k", "--expires-at", "2090-01-01T00:00:00Z"]);
    let shown = server.json(there, &["messages", "show", sent["id"].as_str().unwrap()]);
    assert_eq!((&shown["ordering_key"], &shown["expires_at"]), (&"k".into(), &"2090-01-01T00:00:00Z".into()));
}
