//! The driver against real servers.

#![expect(clippy::unwrap_used, reason = "tests: what fails here is a failed test")]

mod suite;
