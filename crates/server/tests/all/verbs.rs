//! What people do with a past and a future: subscribe, replay, erase, ask why.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Running, Server, listen, posthaste};

fn received(receiver: &Running) -> Value {
    serde_json::from_str(&receiver.says("webhook-id")).unwrap()
}

/// Publishes so many messages on topic `a`.
fn publish(server: &Server, there: &Path, count: usize) {
    let lines = (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    fs::write(there.join("lines"), lines).unwrap();
    let mut command = posthaste(there, &["pipe", "--topic", "a"]);
    command.env("POSTHASTE_SERVER", &server.url).stdin(fs::File::open(there.join("lines")).unwrap());
    let piped = command.output().unwrap();
    assert!(piped.status.success(), "{piped:?}");
}

#[test]
fn a_url_is_subscribed_once_and_taken_off_a_topic_or_off_all() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (receiver, url) = listen(there, &[]);
    let subscribe = |topic: &str| server.json(there, &["subscribe", &url, "--topic", topic]);
    let first = subscribe("a");
    assert_eq!(subscribe("a")["id"], first["id"]);
    let both = subscribe("b.*");
    assert_eq!((&both["id"], &both["topics"]), (&first["id"], &json!(["a", "b.*"])));
    let sent = server.json(there, &["send", "b.c", "1"]);
    assert_eq!(received(&receiver)["headers"]["webhook-id"], sent["id"]);

    let unsubscribe =
        |arguments: &[&str]| server.json(there, &[&["unsubscribe", &url], arguments].concat())["removed"].clone();
    assert_eq!(unsubscribe(&["--topic", "b.*"]), true);
    assert_eq!(unsubscribe(&["--topic", "b.*"]), false);
    assert_eq!(server.json(there, &["send", "b.c", "2"])["deliveries"], 0);
    assert_eq!(server.json(there, &["send", "a", "3"])["deliveries"], 1);
    assert_eq!(unsubscribe(&[]), true);
    assert_eq!(server.json(there, &["send", "a", "4"])["deliveries"], 0);
    assert_eq!(server.json(there, &["endpoints", "list"])["data"], json!([]));
}

#[test]
fn what_a_disabled_endpoint_missed_is_sent_once_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (_gone, url) = listen(there, &["--status", "410"]);
    let endpoint = server.json(there, &["endpoints", "create", &url, "--topic", "a"]);
    let id = endpoint["id"].as_str().unwrap();
    server.call(there, &["send", "a", "0"]).worked();
    server.until(there, &["endpoints", "show", id], |endpoint| endpoint["state"] == "disabled");
    let missed: Vec<Value> = ["1", "2"].iter().map(|payload| server.json(there, &["send", "a", payload])).collect();
    for message in &missed {
        assert_eq!(message["deliveries"], 0);
        let why = server.json(there, &["messages", "explain", message["id"].as_str().unwrap()]);
        assert_eq!(
            (&why["endpoints"][0]["endpoint_id"], &why["endpoints"][0]["matched"]),
            (&endpoint["id"], &json!(false)),
            "{why}"
        );
        assert!(why["endpoints"][0]["why"].as_str().unwrap().contains("disabled"), "{why}");
    }

    let (receiver, url) = listen(there, &[]);
    server.json(there, &["endpoints", "update", id, "--url", &url]);
    server.json(there, &["endpoints", "resume", id]);
    let dry = server.json(there, &["replay", id, "--status", "missed", "--dry-run"]);
    let done = |replay: &Value| {
        server.until(there, &["replays", "show", replay["id"].as_str().unwrap()], |replay| replay["state"] == "done")
    };
    let counted = done(&dry);
    assert_eq!((&counted["matched"], &counted["sent"]), (&json!(2), &json!(0)), "{counted}");
    let replay = done(&server.json(there, &["replay", id, "--status", "missed"]));
    assert_eq!((&replay["matched"], &replay["sent"]), (&json!(2), &json!(2)), "{replay}");
    let mut bodies = [received(&receiver)["body"].clone(), received(&receiver)["body"].clone()];
    bodies.sort_by_key(Value::to_string);
    assert_eq!(bodies, ["1", "2"]);
}

#[test]
fn a_replay_goes_on_after_a_kill_and_one_that_was_cancelled_does_not() {
    const COUNT: usize = 1_500;
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let options = ["--auto-topics", "--log-attempts", "none"];
    let server = Server::start(there, &options);
    let (receiver, url) = listen(there, &[]);
    let endpoint = server.json(there, &["endpoints", "create", &url, "--topic", "a"]);
    let id = endpoint["id"].as_str().unwrap();
    publish(&server, there, COUNT);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut receive = |least: usize| {
        while seen.values().filter(|times| **times >= least).count() < COUNT {
            *seen.entry(received(&receiver)["headers"]["webhook-id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    };
    receive(1);
    server.until(there, &["stats"], |stats| stats["backlog"] == 0);

    let replay = server.json(there, &["replay", id, "--status", "succeeded"]);
    let replay = replay["id"].as_str().unwrap();
    server.running.signal("KILL");
    drop(server);
    let server = Server::start(there, &options);
    let done = server.until(there, &["replays", "show", replay], |replay| replay["state"] == "done");
    assert_eq!((&done["matched"], &done["sent"]), (&json!(COUNT), &json!(COUNT)), "{done}");
    receive(2);

    server.json(there, &["endpoints", "pause", id]);
    let replay = server.json(there, &["replay", id, "--status", "all"]);
    let replay = replay["id"].as_str().unwrap();
    let cancelled = server.json(there, &["replays", "cancel", replay]);
    assert_ne!(cancelled["state"], "running", "{cancelled}");
    let later = server.json(there, &["replays", "show", replay]);
    assert_eq!(later["state"], cancelled["state"]);
    assert_eq!(server.json(there, &["replays", "list"])["data"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_erased_is_gone_and_what_did_not_match_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let server = Server::start(there, &["--auto-topics"]);
    let (receiver, url) = listen(there, &[]);
    let filter = "filter={\"payload.total\": {\"$gte\": 100}}";
    server.json(there, &["endpoints", "create", &url, "--topic", "a", "--set", filter]);
    let small = server.json(there, &["send", "a", "{\"total\": 5}", "--metadata", "person=7"]);
    let large = server.json(there, &["send", "a", "{\"total\": 500}", "--metadata", "person=7"]);
    assert_eq!((&small["deliveries"], &large["deliveries"]), (&json!(0), &json!(1)));
    assert_eq!(received(&receiver)["headers"]["webhook-id"], large["id"]);
    let why = |message: &Value| {
        server.json(there, &["messages", "explain", message["id"].as_str().unwrap()])["endpoints"][0].clone()
    };
    let (not, yes) = (why(&small), why(&large));
    assert!(not["matched"] == false && not["why"].as_str().unwrap().contains("filter"), "{not}");
    assert!(yes["matched"] == true && yes["delivery_id"].is_string(), "{yes}");

    server.call(there, &["erase", "--metadata", "person=7"]).worked();
    for message in [&small, &large] {
        let shown = server.call(there, &["messages", "show", message["id"].as_str().unwrap()]).refused();
        assert!(shown.contains("no such message"), "{shown}");
    }
    let attempt = server.call(there, &["deliveries", "show", yes["delivery_id"].as_str().unwrap()]).refused();
    assert!(attempt.contains("no such delivery"), "{attempt}");
    assert_eq!(server.json(there, &["messages", "list"])["data"], json!([]));
}
