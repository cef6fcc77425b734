//! The key of the endpoint secrets: lost, wrong, replaced; and the doctor, who looks at it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{SECRET, Server, listen, posthaste, run};

/// A directory whose database holds one endpoint, and no server.
fn with_endpoint(there: &Path, url: &str) -> String {
    let server = Server::start(there, &["--auto-topics"]);
    let endpoint = server.json(there, &["endpoints", "create", url, "--topic", "a", "--secret", SECRET]);
    assert_eq!(server.stop(), Some(0));
    endpoint["id"].as_str().unwrap().to_owned()
}

fn serve(there: &Path, arguments: &[&str]) -> String {
    run(&mut posthaste(there, &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat())).refused()
}

/// What the doctor found, by what it looked at, and its code.
fn doctor(there: &Path, server: &str, arguments: &[&str]) -> (i32, Value) {
    let all = [&["doctor", "--output", "json", "--server", server], arguments].concat();
    let ran = run(&mut posthaste(there, &all));
    let findings: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {} {}", ran.out, ran.err));
    let found = findings["findings"].as_array().unwrap().iter();
    let by_what = found.map(|one| (one["what"].as_str().unwrap().to_owned(), one.clone()));
    (ran.code, Value::Object(by_what.collect()))
}

#[test]
fn a_key_file_that_is_gone_or_another_is_refused_and_the_database_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    with_endpoint(there, "http://127.0.0.1:1/");
    let key = fs::read_to_string(there.join("posthaste.db.key")).unwrap();
    fs::remove_file(there.join("posthaste.db.key")).unwrap();
    let refused = serve(there, &[]);
    assert!(refused.contains("posthaste.db.key is gone") && refused.contains("--secret-key"), "{refused}");
    assert!(!there.join("posthaste.db.key").exists(), "no other key is made in its place");
    let refused = run(&mut posthaste(there, &["rekey"])).refused();
    assert!(refused.contains("posthaste.db.key is gone"), "{refused}");
    let refused = serve(there, &["--secret-key", "a key that sealed nothing at all"]);
    assert!(refused.contains("does not open") && !refused.contains("nothing at all"), "{refused}");
    let (code, found) = doctor(there, "http://127.0.0.1:1", &[]);
    assert_eq!((code, &found["secrets"]["verdict"]), (1, &Value::from("wrong")), "{found}");
    let server = Server::start(there, &["--secret-key", key.trim()]);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_new_key_takes_the_old_ones_place_and_the_secrets_stay() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let (receiver, url) = listen(there, &["--secret", SECRET]);
    let endpoint = with_endpoint(there, &url);
    let old = fs::read_to_string(there.join("posthaste.db.key")).unwrap();
    let said = run(&mut posthaste(there, &["rekey"])).worked();
    assert!(said.contains("1 endpoints") && said.contains("posthaste.db.key"), "{said}");
    assert_ne!(fs::read_to_string(there.join("posthaste.db.key")).unwrap(), old);
    assert!(serve(there, &["--secret-key", old.trim()]).contains("does not open"));

    let server = Server::start(there, &[]);
    assert_eq!(server.json(there, &["endpoints", "secret", &endpoint])["secret"], SECRET);
    server.call(there, &["send", "a", "1"]).worked();
    let received: Value = serde_json::from_str(&receiver.says("webhook-id")).unwrap();
    assert_eq!(received["verified"], true, "{received}");
    let busy = run(&mut posthaste(there, &["rekey"])).refused();
    assert!(busy.contains("another posthaste process"), "{busy}");
}

#[test]
fn a_replacement_that_was_interrupted_is_ended_before_anything_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    with_endpoint(there, "http://127.0.0.1:1/");
    let begun = "the key that an earlier run began with";
    fs::write(there.join("posthaste.db.key.new"), begun).unwrap();
    assert!(serve(there, &[]).contains("posthaste rekey"));
    let other = run(&mut posthaste(there, &["rekey", "--new-secret-key", "yet another key of enough characters"]));
    assert!(other.refused().contains("end it first"));
    run(&mut posthaste(there, &["rekey"])).worked();
    assert_eq!(fs::read_to_string(there.join("posthaste.db.key")).unwrap(), begun);
    assert!(!there.join("posthaste.db.key.new").exists());
    assert_eq!(Server::start(there, &[]).stop(), Some(0));
}

#[test]
fn the_doctor_asks_the_server_and_looks_into_the_database_if_none_answers() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let (code, found) = doctor(there, "http://127.0.0.1:1", &[]);
    assert_eq!((code, &found["database"]["verdict"]), (1, &Value::from("wrong")), "{found}");
    assert!(!there.join("posthaste.db").exists(), "looking makes nothing");

    let server = Server::start(there, &["--auto-topics"]);
    server.call(there, &["endpoints", "create", "http://127.0.0.1:1/", "--topic", "a"]).worked();
    let (code, found) = doctor(there, &server.url, &[]);
    assert_eq!(code, 0, "{found}");
    for what in ["server", "secrets", "schema", "nodes", "backlog", "clock", "guard"] {
        assert_eq!(found[what]["verdict"], "ok", "{what}: {found}");
    }
    assert!(found["guard"]["said"].as_str().unwrap().contains("127.0.0.0/8"), "{found}");
    let (code, found) = doctor(there, "http://127.0.0.1:1", &[]);
    assert_eq!(code, 1, "a server has the file, but not at this address: {found}");
    assert_eq!(server.stop(), Some(0));

    let (code, found) = doctor(there, "http://127.0.0.1:1", &[]);
    assert_eq!(
        (code, &found["secrets"]["verdict"], &found["schema"]["verdict"]),
        (0, &"ok".into(), &"ok".into()),
        "{found}"
    );
}
