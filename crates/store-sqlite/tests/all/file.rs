//! What a database file has to hold: one process, crashes, versions, a log that does not grow for ever.

use std::process::Command;
use std::time::{Duration, Instant};

use posthaste_store::{Coordination, NodeInfo, Outbox, StoreError};
use posthaste_store_sqlite::{SCHEMA_VERSION, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// Names the file that a process started by a test writes to until it is killed.
const VICTIM: &str = "POSTHASTE_TEST_VICTIM";

#[expect(clippy::expect_used, reason = "a test")]
fn path(directory: &TempDir) -> String {
    directory.path().join("posthaste.db").to_str().expect("a path in UTF-8").to_owned()
}

fn info() -> NodeInfo {
    NodeInfo { version: "1".to_owned(), roles: Vec::new() }
}

#[tokio::test]
async fn a_second_store_on_the_same_file_is_refused_until_the_first_is_gone() {
    let directory = TempDir::new().unwrap();
    let first = SqliteStore::open(&path(&directory)).await.unwrap();
    let refusal = SqliteStore::open(&path(&directory)).await.unwrap_err();
    assert!(matches!(&refusal, StoreError::InUse { path } if path.ends_with("posthaste.db")), "{refusal}");
    drop(first);
    SqliteStore::open(&path(&directory)).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn another_way_to_the_same_file_is_refused_too() {
    let directory = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let _first = SqliteStore::open(&path(&directory)).await.unwrap();
    std::os::unix::fs::symlink(path(&directory), path(&elsewhere)).unwrap();
    let refusal = SqliteStore::open(&path(&elsewhere)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::InUse { .. }), "{refusal}");
}

#[tokio::test]
async fn a_file_that_cannot_be_is_named() {
    let directory = TempDir::new().unwrap();
    let nowhere = format!("{}/nowhere/posthaste.db", directory.path().display());
    let refusal = SqliteStore::open(&nowhere).await.unwrap_err();
    assert!(refusal.to_string().contains(&nowhere), "{refusal}");
}

/// Leaves messages in the outbox in one transaction.
#[expect(clippy::unwrap_used, reason = "a test's own helper")]
async fn leave(store: &SqliteStore, drafts: Vec<String>) -> Vec<posthaste_core::MessageId> {
    let work = move |transaction: &posthaste_store_sqlite::Transaction<'_>| {
        drafts.iter().map(|draft| transaction.publish(draft)).collect::<Result<Vec<_>, _>>()
    };
    store.transaction(work).await.unwrap()
}

#[tokio::test]
async fn a_transaction_whose_work_fails_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&path(&directory)).await.unwrap();
    let failed = store
        .transaction(|transaction| {
            transaction.connection().execute("CREATE TABLE mine (n INTEGER)", []).unwrap();
            transaction.publish("{}").unwrap();
            Err::<(), _>("no")
        })
        .await;
    assert!(matches!(failed, Err(posthaste_store_sqlite::TransactionError::Work("no"))));
    assert!(store.outbox(10).await.unwrap().is_empty());
    let watcher = Connection::open(path(&directory)).unwrap();
    assert!(watcher.prepare("SELECT n FROM mine").is_err());
}

/// Not a test by itself: what the next one starts as a process of its own and kills.
#[tokio::test]
async fn a_process_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var(VICTIM) else { return };
    let store = SqliteStore::open(&path).await.unwrap();
    for n in 0.. {
        let ids = leave(&store, vec![format!("{n}")]).await;
        println!("committed {n} {}", ids[0]);
    }
}

#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let directory = TempDir::new().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::a_process_that_writes_until_it_is_killed", "--nocapture"])
        .env(VICTIM, path(&directory))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(victim.stdout.take().unwrap());
    let (mut committed, mut refused) = (Vec::new(), None);
    for line in std::io::BufRead::lines(output).map_while(Result::ok) {
        let Some((_, told)) = line.split_once("committed ") else { continue };
        committed.push(told.split_once(' ').unwrap().1.to_owned());
        if committed.len() == 20 {
            refused = SqliteStore::open(&path(&directory)).await.err();
            victim.kill().unwrap();
        }
    }
    victim.wait().unwrap();
    assert!(matches!(refused, Some(StoreError::InUse { .. })), "another process: {refused:?}");

    let store = SqliteStore::open(&path(&directory)).await.unwrap();
    let found: Vec<String> = store.outbox(1_000_000).await.unwrap().into_iter().map(|row| row.id.to_string()).collect();
    assert!(committed.len() >= 20);
    assert_eq!(found[..committed.len()], committed);
}

#[tokio::test]
async fn a_start_after_a_crash_owns_everything_at_once() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&path(&directory)).await.unwrap();
    let first = store.join(&info()).await.unwrap();
    let now = first.now;
    assert_eq!(store.claim_shards(first.node, 256, now).await.unwrap().len(), 256);
    drop(store);

    let store = SqliteStore::open(&path(&directory)).await.unwrap();
    let second = store.join(&info()).await.unwrap();
    assert_ne!((first.node, first.number), (second.node, second.number));
    assert_eq!(store.claim_shards(second.node, 256, now).await.unwrap().len(), 256);
    let peers = store.peers().await.unwrap();
    assert_eq!(peers.iter().map(|peer| peer.node).collect::<Vec<_>>(), [second.node]);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let file = path(&directory);
    assert_eq!(SqliteStore::schema_version(&file).await.unwrap(), 0);
    drop(SqliteStore::open(&file).await.unwrap());
    assert_eq!(SqliteStore::schema_version(&file).await.unwrap(), SCHEMA_VERSION);
    let newer = SCHEMA_VERSION + 1;
    Connection::open(&file).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let refusal = SqliteStore::open(&file).await.unwrap_err();
    assert!(
        matches!(refusal, StoreError::NewerSchema { found, known } if found == newer && known == SCHEMA_VERSION),
        "{refusal}"
    );
    assert_eq!(SqliteStore::schema_version(&file).await.unwrap(), newer);
}

/// How many pages the log holds, and how many of them are in the file already.
#[expect(clippy::unwrap_used, reason = "a test")]
fn log(watcher: &Connection) -> (i64, i64) {
    watcher.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| Ok((row.get(1)?, row.get(2)?))).unwrap()
}

#[tokio::test]
async fn the_log_is_copied_into_the_file_while_nobody_writes() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&path(&directory)).await.unwrap();
    leave(&store, vec!["0".to_owned()]).await;
    let watcher = Connection::open(path(&directory)).unwrap();
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let (written, copied) = log(&watcher);
        if written > 0 && written == copied {
            return;
        }
        assert!(Instant::now() < give_up, "{copied} of {written} pages are copied");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_log_begins_anew_although_writes_never_pause() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&path(&directory)).await.unwrap();
    let watcher = Connection::open(path(&directory)).unwrap();
    let draft = "x".repeat(1 << 20);
    let mut before = 0;
    // Without a checkpoint that catches up with the writer it only ever grows.
    for _ in 0..500 {
        leave(&store, vec![draft.clone(); 4]).await;
        let (written, _) = log(&watcher);
        if written < before {
            return;
        }
        before = written;
    }
    panic!("{before} pages of log after 2 GiB of writes");
}
