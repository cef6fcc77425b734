//! The API over a real socket, on a real engine with SQLite in a directory of its own.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what does not come as it should is a failed test")]

mod access;
mod changes;
mod client;
mod counting;
mod limits;
mod queries;
mod relations;
mod schema;
mod stage;
mod subscriptions;
