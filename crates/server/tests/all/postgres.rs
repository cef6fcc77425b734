//! The binary on PostgreSQL: several nodes on one database.

use posthaste_testkit::Cluster;
use serde_json::Value;

use crate::program::{SECRET, Server, listen, posthaste, run};

/// A database of its own in the tests' cluster.
pub fn database() -> (tokio::runtime::Runtime, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let url = runtime.block_on(async { Cluster::shared().await.database().await });
    (runtime, url)
}

#[test]
fn a_message_published_at_one_node_is_seen_at_the_other_and_outlives_both() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let (_runtime, url) = database();
    let checked = run(&mut posthaste(there, &["migrate", "--check", "--database-url", &url])).refused();
    assert!(checked.contains("posthaste migrate"), "{checked}");
    run(&mut posthaste(there, &["migrate", "--database-url", &url])).worked();
    run(&mut posthaste(there, &["migrate", "--check", "--database-url", &url])).worked();

    let options = ["--database-url", &url, "--lease-seconds", "2"];
    let one = Server::start(there, &options);
    let two = Server::start(there, &options);
    let (receiver, hook) = listen(there, &["--secret", SECRET]);
    one.call(there, &["topics", "create", "a"]).worked();
    one.call(there, &["endpoints", "create", &hook, "--topic", "a", "--secret", SECRET]).worked();
    let sent = two.json(there, &["send", "a", "{\"n\": 1}"]);
    assert_eq!(sent["deliveries"], 1, "a node matches against what another has just changed");
    let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!((&received["verified"], &received["headers"]["webhook-id"]), (&Value::Bool(true), &sent["id"]));
    two.running.logs("\"delivery_status\":\"succeeded\"");
    let id = sent["id"].as_str().unwrap();
    let list = ["deliveries", "list", "--message", id];
    assert_eq!(one.json(there, &list)["data"][0]["status"], "succeeded");
    assert_eq!(one.json(there, &["stats"])["nodes"].as_array().unwrap().len(), 2);
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));

    let three = Server::start(there, &options);
    assert_eq!(three.json(there, &list)["data"][0]["status"], "succeeded");
}

#[test]
fn what_a_killed_node_had_in_hand_is_sent_by_another() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let (_runtime, url) = database();
    let options = ["--database-url", &url, "--lease-seconds", "2", "--auto-topics"];
    let first = Server::start(there, &options);
    let (slow, hook) = listen(there, &["--delay-seconds", "15"]);
    first.call(there, &["endpoints", "create", &hook, "--topic", "a", "--uid", "x"]).worked();
    first.call(there, &["send", "a", "{\"n\": 7}"]).worked();
    slow.says("webhook-id");
    first.running.signal("KILL");
    drop(slow);
    let (receiver, hook) = listen(there, &[]);
    let second = Server::start(there, &options);
    second.call(there, &["endpoints", "update", "uid:x", "--url", &hook]).worked();
    assert!(receiver.says("webhook-id").contains("\\\"n\\\": 7"));
}

#[test]
fn without_a_secret_key_it_warns_that_secrets_lie_open() {
    let directory = tempfile::tempdir().unwrap();
    let (_runtime, url) = database();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", &url];
    let open = crate::program::Running::start(posthaste(directory.path(), &arguments));
    assert!(open.logs("unsealed").contains("\"level\":\"WARN\""));
    open.logs("listening on");
    open.signal("TERM");
    assert_eq!(open.ended(), Some(0));
    let mut sealed = posthaste(directory.path(), &arguments);
    sealed.env("POSTHASTE_SECRET_KEY", "a secret key of enough characters");
    let sealed = crate::program::Running::start(sealed);
    sealed.logs("listening on");
    let roles = run(posthaste(directory.path(), &arguments).env("POSTHASTE_SECRET_KEY", "short")).refused();
    assert!(roles.contains("24"), "{roles}");
}
