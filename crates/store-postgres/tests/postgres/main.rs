//! The driver against real servers.

#![expect(clippy::unwrap_used, reason = "tests: what fails here is a failed test")]

mod collisions;
mod made;
mod paging;
mod pooled;
mod schema;
mod server_away;
mod sql_outbox;
mod suite;
