//! The engine as a whole: real stores, real sockets, real receivers.

#![expect(clippy::unwrap_used, reason = "what a test cannot set up is a failed test, and a panic says so")]

mod breakers;
mod control;
mod erasures;
mod expiry;
mod fleet;
mod hostile;
mod letters;
mod once;
mod order;
mod outbox;
mod rate;
mod rekey;
mod retries;
mod schedules;
mod site;
mod stopping;
mod tls;
