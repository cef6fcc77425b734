//! The parts of `posthaste demo`: receivers, a publisher, a display, a closing table.

pub mod display;
pub mod publisher;
pub mod receivers;
pub mod report;
pub mod stage;
