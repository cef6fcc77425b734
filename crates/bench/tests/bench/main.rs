//! The benchmark as a program: its ceiling, and what it says of servers that behave well or badly.

#![expect(clippy::unwrap_used, reason = "a test's surprise is its failure")]

mod ceiling;
mod report;
mod stand_in;
