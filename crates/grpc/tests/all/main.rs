//! The gRPC API over a real socket, on a real engine with SQLite in a directory of its own.

#![expect(clippy::unwrap_used, reason = "what does not come as it should is a failed test")]

mod stage;

mod access;
mod catalog;
mod deliveries;
mod generated;
mod publishing;
mod schedules;
mod system;
