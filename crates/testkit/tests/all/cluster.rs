use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use posthaste_testkit::{Cluster, Fsync};

#[tokio::test]
async fn each_database_is_new_and_empty() {
    let cluster = Cluster::shared().await;
    let (one, other) = tokio::join!(cluster.database(), cluster.database());
    assert_ne!(one, other);
    cluster.sql(&one, "CREATE TABLE here (n int); INSERT INTO here VALUES (1), (2)").await;
    assert_eq!(cluster.sql(&one, "SELECT n, n * 10 FROM here ORDER BY n").await, "1|10\n2|20");
    assert_eq!(cluster.sql(&other, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await, "0");
}

#[tokio::test]
async fn a_dedicated_cluster_keeps_what_was_committed_over_a_crash_and_is_gone_when_dropped() {
    let cluster = Cluster::dedicated(Fsync::Off).await;
    let url = cluster.database().await;
    cluster.sql(&url, "CREATE TABLE kept AS SELECT 7 AS n").await;
    let folder = cluster.sql(&url, "SHOW unix_socket_directories").await;
    cluster.stop().await;
    cluster.start().await;
    assert_eq!(cluster.sql(&url, "SELECT n FROM kept").await, "7");
    assert!(Path::new(&folder).exists());
    drop(cluster);
    assert!(!Path::new(&folder).exists(), "{folder} is still there");
}

/// A process that dies without a word: its cluster's script sees only that the input has ended.
#[test]
fn a_cluster_does_not_outlive_the_process_that_made_it_nor_hold_its_output() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cluster.sh");
    let folder = tempfile::tempdir().unwrap();
    // The shell is the one that dies: it alone holds the other end of the script's input, and hands its own output on.
    let mut process = Command::new("sh")
        .args(["-c", r#"mkfifo "$2"; setsid bash "$1" <"$2" & exec 8>"$2"; read -r _"#, "sh"])
        .arg(&script)
        .arg(folder.path().join("input"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let server = line.split(['@', '/']).nth(3).unwrap_or_default().to_owned();
    assert!(TcpStream::connect(&server).is_ok(), "{line}");
    process.kill().unwrap();
    process.wait().unwrap();
    let mut rest = String::new();
    // Returns only when nobody holds the output any more.
    output.read_to_string(&mut rest).unwrap();
    assert!(TcpStream::connect(&server).is_err(), "the server is still there");
}
