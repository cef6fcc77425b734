//! What is refused: in one sentence that says what to do, with a code that is not 0.

use crate::program::{Server, posthaste, run};

#[test]
fn listening_beyond_loopback_needs_a_key_that_nobody_guesses() {
    let directory = tempfile::tempdir().unwrap();
    let refused = run(&mut posthaste(directory.path(), &["serve", "--listen", "0.0.0.0:0"])).refused();
    assert!(refused.contains("POSTHASTE_ADMIN_KEY") && refused.contains("127.0.0.1"), "{refused}");
    let mut short = posthaste(directory.path(), &["serve", "--listen", "0.0.0.0:0"]);
    let refused = run(short.env("POSTHASTE_ADMIN_KEY", "hunter2")).refused();
    assert!(refused.contains("24") && !refused.contains("hunter2"), "{refused}");
    assert!(!directory.path().join("posthaste.db").exists(), "nothing is made by what is refused");
}

#[test]
fn a_second_process_on_the_same_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(directory.path(), &[]);
    let refused = run(&mut posthaste(directory.path(), &["serve", "--listen", "127.0.0.1:0"])).refused();
    assert!(refused.contains("posthaste.db") && refused.contains("another posthaste process"), "{refused}");
    let refused = run(&mut posthaste(directory.path(), &["migrate"])).refused();
    assert!(refused.contains("another posthaste process"), "{refused}");
    assert_eq!(first.stop(), Some(0));
    let second = Server::start(directory.path(), &[]);
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(&mut posthaste(directory.path(), &["serve", "--listen", &address])).refused();
    assert!(refused.contains(&address) && refused.contains("--listen"), "{refused}");
}

#[test]
fn a_database_that_cannot_be_opened_is_named_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let url = "postgres://me:hunter2@127.0.0.1:1/hooks";
    for command in ["serve", "migrate"] {
        let refused = run(&mut posthaste(directory.path(), &[command, "--database-url", url])).refused();
        assert!(refused.contains("127.0.0.1 (port 1)") && refused.contains("--database-url"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let nowhere = "sqlite:no/such/directory/p.db";
    let refused =
        run(&mut posthaste(directory.path(), &["serve", "--listen", "127.0.0.1:0", "--database-url", nowhere]));
    assert!(refused.refused().contains("no/such/directory"));
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("posthaste.db");
    // An empty SQLite database of one page, as the file format's document lays it out.
    let mut page = vec![0_u8; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..24].copy_from_slice(&[0x10, 0, 1, 1, 0, 64, 32, 32]);
    let mut number = |at: usize, value: u32| page[at..at + 4].copy_from_slice(&value.to_be_bytes());
    for (at, value) in [(24, 1), (28, 1), (44, 4), (56, 1), (60, 999_999), (92, 1), (96, 3_051_003)] {
        number(at, value);
    }
    page[100..108].copy_from_slice(&[13, 0, 0, 0, 0, 0x10, 0, 0]);
    std::fs::write(&path, &page).unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &["migrate", "--check"]] {
        let refused = run(&mut posthaste(directory.path(), command)).refused();
        assert!(refused.contains("999999") && refused.contains("newer posthaste"), "{command:?}: {refused}");
    }
}

#[test]
fn clients_say_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["topics", "list", "--server", "http://127.0.0.1:1"], "posthaste serve"),
        (&["healthcheck", "--server", "http://127.0.0.1:1"], "posthaste serve"),
        (&["topics", "list", "--server", "ftp://example.com"], "http://127.0.0.1:7678"),
        (&["topics", "list", "--server", "localhost"], "http://127.0.0.1:7678"),
        (&["send", "a", "{not json"], "not JSON"),
        (&["send", "a", "@no-such-file"], "no-such-file"),
    ];
    for (arguments, says) in cases {
        let refused = run(&mut posthaste(directory.path(), arguments)).refused();
        assert!(refused.contains(says), "{arguments:?}: {refused}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        &["serve", "--no-such-flag"][..],
        &["serve", "--database-url", "mysql://x"],
        &["serve", "--allow-net", "somewhere"],
        &["endpoints", "explode"],
        &["retry"],
        &[],
    ] {
        assert_eq!(run(&mut posthaste(directory.path(), arguments)).code, 2, "{arguments:?}");
    }
}
