//! What tests share: throwaway PostgreSQL clusters ([`Cluster`]), receivers on loopback that record what they are sent
//! ([`Receiver`]) and receivers that break HTTP ([`RawReceiver`]).
//!
//! Everything here ends with the process that made it, and nothing here holds that process's standard output.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests use this crate: what cannot be set up is a failed test, and a panic says so"
)]

mod postgres;
mod raw;
mod receiver;

pub use postgres::{Cluster, Fsync};
pub use raw::{RawAnswer, RawReceiver, Then};
pub use receiver::{Answer, Ending, Received, Receiver};

use std::time::Duration;

/// How long an event may take that a test waits for. Generous: it only bounds a test that has failed already.
pub const PATIENCE: Duration = Duration::from_secs(30);
