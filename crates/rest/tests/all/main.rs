//! The API over a real socket, on a real engine with SQLite in a directory of its own.

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
mod subscriptions;
mod system;
mod topics;
