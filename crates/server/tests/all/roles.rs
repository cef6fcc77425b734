//! Nodes that do one thing each, on PostgreSQL.

use serde_json::Value;

use crate::postgres::database;
use crate::program::{Server, listen, posthaste, raw, run};

#[test]
fn three_nodes_with_a_role_each_do_together_what_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let (_runtime, url) = database();
    let node = |role: &str| {
        Server::start(there, &["--database-url", &url, "--lease-seconds", "2", "--roles", role, "--auto-topics"])
    };
    let (api, dispatch, schedule) = (node("api"), node("dispatch"), node("schedule"));
    let (receiver, hook) = listen(there, &[]);
    api.call(there, &["endpoints", "create", &hook, "--topic", "a"]).worked();
    let sent = api.json(there, &["send", "a", "1"]);
    let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!(received["headers"]["webhook-id"], sent["id"]);
    dispatch.running.logs("\"delivery_status\":\"succeeded\"");

    api.json(there, &["schedules", "create", "* * * * * *", "--topic", "a", "--payload", "2"]);
    let fired: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!(fired["body"], "2");
    let stats = api.json(there, &["stats"]);
    let nodes = stats["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3, "{stats}");
    let leads: Vec<_> = nodes.iter().filter(|node| node["leader"] == true).map(|node| &node["roles"]).collect();
    assert_eq!(leads, [&serde_json::json!(["schedule"])], "{stats}");

    for quiet in [&dispatch, &schedule] {
        for path in ["/livez", "/readyz", "/metrics"] {
            let answer =
                raw(&quiet.address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }
        let answer = raw(&quiet.address, "GET /v1/topics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    assert_eq!((api.stop(), dispatch.stop(), schedule.stop()), (Some(0), Some(0), Some(0)));
}

#[test]
fn another_key_is_refused_while_a_node_runs_and_taken_once_none_does() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let (_runtime, url) = database();
    let (old, new) = ("the old key, long enough as it is", "the new key, long enough as it is");
    let options = ["--database-url", &url, "--lease-seconds", "2"];
    let server = Server::start(there, &[&options[..], &["--secret-key", old, "--auto-topics"]].concat());
    server.call(there, &["endpoints", "create", "http://127.0.0.1:1/", "--topic", "a"]).worked();
    let rekey = [&["rekey", "--secret-key", old, "--new-secret-key", new][..], &options].concat();
    let refused = run(&mut posthaste(there, &rekey)).refused();
    assert!(refused.contains("stop every server first"), "{refused}");
    server.running.signal("KILL");
    drop(server);
    run(&mut posthaste(there, &rekey)).worked();
    let refused = |key: &[&str]| {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], &options[..], key].concat();
        run(&mut posthaste(there, &arguments)).refused()
    };
    assert!(refused(&[]).contains("are sealed"));
    assert!(refused(&["--secret-key", old]).contains("does not open"));
    let server = Server::start(there, &[&options[..], &["--secret-key", new]].concat());
    assert_eq!(server.stop(), Some(0));
}
