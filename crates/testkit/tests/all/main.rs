//! What the test kit promises, and the arrows between the workspace's crates.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod cluster;
mod receiver;
