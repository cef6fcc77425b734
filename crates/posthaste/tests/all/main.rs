//! The library as a program uses it: real files, a real PostgreSQL, real receivers.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as the tests do")]

mod by_hand;
mod firing;
mod killed;
mod postgres;
mod transaction;

use posthaste::{Options, Posthaste};
use tempfile::TempDir;

/// A queue in a directory of its own, which may send to loopback.
async fn open(directory: &TempDir) -> Posthaste {
    options(directory).open().await.unwrap()
}

fn options(directory: &TempDir) -> Options {
    let path = directory.path().join("hooks.db");
    Options::new(format!("sqlite:{}", path.display())).allow_net("127.0.0.0/8")
}
