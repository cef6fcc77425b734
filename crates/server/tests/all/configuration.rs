//! Where options come from, and what wins.

use crate::program::{Server, posthaste, raw, run};

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path();
    let file = "server = \"http://127.0.0.1:1\"\nlisten = \"0.0.0.0:1001\"\n";
    std::fs::write(there.join("posthaste.toml"), file).unwrap();
    let refusal = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = posthaste(there, arguments);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        run(&mut command).refused()
    };
    let list = ["topics", "list"];
    assert!(refusal(&list, None).contains("http://127.0.0.1:1 "));
    let two = Some(("POSTHASTE_SERVER", "http://127.0.0.1:2"));
    assert!(refusal(&list, two).contains("http://127.0.0.1:2 "));
    assert!(refusal(&["topics", "list", "--server", "http://127.0.0.1:3"], two).contains("http://127.0.0.1:3 "));

    assert!(refusal(&["serve"], None).contains("0.0.0.0:1001"));
    let two = Some(("POSTHASTE_LISTEN", "0.0.0.0:1002"));
    assert!(refusal(&["serve"], two).contains("0.0.0.0:1002"));
    assert!(refusal(&["serve", "--listen", "0.0.0.0:1003"], two).contains("0.0.0.0:1003"));
}

#[test]
fn another_file_can_be_named_and_then_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("other.toml"), "server = \"http://127.0.0.1:1\"").unwrap();
    let ran = run(&mut posthaste(directory.path(), &["topics", "list", "--config", "other.toml"]));
    assert!(ran.refused().contains("http://127.0.0.1:1 "));
    let ran = run(posthaste(directory.path(), &["topics", "list"]).env("POSTHASTE_CONFIG", "other.toml"));
    assert!(ran.refused().contains("http://127.0.0.1:1 "));
    let ran = run(&mut posthaste(directory.path(), &["topics", "list", "--config", "none.toml"]));
    assert!(ran.refused().contains("none.toml cannot be read"));
}

#[test]
fn the_file_is_refused_for_unknown_keys_and_wrong_values_by_name() {
    let directory = tempfile::tempdir().unwrap();
    for (file, names) in [
        ("listne = \"127.0.0.1:1\"", ["posthaste.toml", "`listne`"]),
        ("topic = \"order.created\"", ["posthaste.toml", "`topic`"]),
        ("lease-seconds = \"soon\"", ["posthaste.toml", "`lease-seconds`"]),
        ("lease_seconds = 0", ["posthaste.toml", "`lease_seconds`"]),
        ("listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]", ["posthaste.toml", "`listen`"]),
        ("listen = { port = 1 }", ["posthaste.toml", "`listen`"]),
        ("x = 1\nlisten = ", ["posthaste.toml", "line 2"]),
    ] {
        std::fs::write(directory.path().join("posthaste.toml"), file).unwrap();
        let refused = run(&mut posthaste(directory.path(), &["serve"])).refused();
        assert!(names.iter().all(|name| refused.contains(name)), "{file}: {refused}");
    }
}

#[test]
fn a_server_runs_from_its_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = "listen = \"127.0.0.1:0\"\ndatabase_url = \"sqlite:from-file.db\"\nauto-topics = true\n\
                allow-net = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\nroles = [\"api\", \"dispatch\", \"schedule\"]\nmax-payload-bytes = 100\n\
                admin-key = \"a key from a file, long enough\"\nkey = \"a key from a file, long enough\"\n";
    std::fs::write(directory.path().join("posthaste.toml"), file).unwrap();
    let server = Server::of(posthaste(directory.path(), &["serve"]));
    assert!(directory.path().join("from-file.db").exists());
    let sent = server.json(directory.path(), &["send", "made.now", "1"]);
    assert_eq!(sent["deliveries"], 0);
    let long = format!("\"{}\"", "x".repeat(100));
    let refused = server.call(directory.path(), &["send", "made.now", &long]).refused();
    assert!(refused.contains("100"), "{refused}");
    assert!(raw(&server.address, "GET /v1/topics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 401"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn help_shows_examples_and_no_secret_of_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["demo", "--help"],
        &["migrate", "--help"],
        &["send", "--help"],
        &["retry", "--help"],
        &["listen", "--help"],
        &["healthcheck", "--help"],
        &["completions", "--help"],
        &["topics", "--help"],
        &["endpoints", "--help"],
        &["messages", "--help"],
        &["deliveries", "--help"],
        &["attempts", "--help"],
        &["replays", "--help"],
        &["replay", "--help"],
        &["subscribe", "--help"],
        &["unsubscribe", "--help"],
        &["erase", "--help"],
        &["stats", "--help"],
        &["pipe", "--help"],
        &["bench", "--help"],
        &["keys", "--help"],
    ] {
        let out =
            run(posthaste(directory.path(), command).env("POSTHASTE_ADMIN_KEY", "hunter2-hunter2-hunter2")).worked();
        assert!(out.contains("Example"), "{command:?}: {out}");
        assert!(!out.contains("hunter2"), "{out}");
    }
}

#[test]
fn completion_scripts_know_the_commands_of_the_api() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut posthaste(directory.path(), &["completions", shell])).worked();
        assert!(script.contains("rotate-secret") && script.contains("metrics-listen"), "{shell}");
    }
}
