//! The API over a real socket, on a real engine with SQLite in a directory of its own.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what does not come as it should is a failed test")]

mod client;
mod stage;

mod access;
mod deliveries;
mod endpoints;
mod events;
mod habits;
mod messages;
mod refusals;
mod replays;
mod schedules;
mod subscriptions;
mod system;
mod topics;
