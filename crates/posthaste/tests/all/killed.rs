//! A program that is killed and started again.

use std::process::{Command, Stdio};

use posthaste_testkit::Receiver;
use tempfile::TempDir;

use crate::open;

/// Where the victim finds what to fire at.
const VICTIM: &str = "POSTHASTE_LIBRARY_VICTIM";

/// Not a test by itself: what the next one starts as a process of its own, which fires and dies without a word.
#[tokio::test]
async fn a_program_that_fires_and_dies() {
    let Ok(told) = std::env::var(VICTIM) else { return };
    let (directory, url) = told.split_once(' ').unwrap();
    let path = std::path::Path::new(directory).join("hooks.db");
    let hooks =
        posthaste::Options::new(format!("sqlite:{}", path.display())).allow_net("127.0.0.0/8").open().await.unwrap();
    hooks.register("a", url).await.unwrap();
    for n in 0..20 {
        hooks.fire("a", &n).await.unwrap();
    }
    std::process::abort();
}

#[tokio::test]
async fn what_was_fired_survives_the_program_that_fired_it_and_so_does_the_registration() {
    let directory = TempDir::new().unwrap();
    let receiver = Receiver::start().await;
    let told = format!("{} {}", directory.path().display(), receiver.url("/"));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::a_program_that_fires_and_dies", "--nocapture"])
        .env(VICTIM, told)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let hooks = open(&directory).await;
    hooks.start().await.unwrap();
    receiver.wait_for(20).await;
    hooks.fire("a", &20).await.unwrap();
    receiver.wait_for(21).await;
    hooks.stop().await;
}
