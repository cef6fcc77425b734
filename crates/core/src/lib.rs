//! The pure heart of Posthaste: what a topic, an endpoint, a message, a delivery and an attempt are, and the rules
//! that decide about them.
//!
//! Nothing here is asynchronous, does IO, reads a clock or speaks SQL: time and randomness are arguments. That keeps
//! the retry decision, the signature, the state machine and the address guard testable as tables.

pub mod address;
pub mod attempt;
pub mod cloudevents;
pub mod cron;
pub mod delivery;
pub mod endpoint;
pub mod filter;
pub mod format;
pub mod id;
pub mod key;
pub mod message;
#[cfg(feature = "openapi")]
mod openapi;
pub mod pattern;
pub mod rate;
pub mod retry;
pub mod schedule;
pub mod secret;
pub mod signature;
pub mod time;
pub mod topic;

pub use attempt::{Attempt, Capture, Outcome};
pub use delivery::{CloseReason, Delivery, DeliveryStatus, Lane, WaitingFor};
pub use endpoint::{Endpoint, EndpointState};
pub use id::{AttemptId, DeliveryId, EndpointId, Id, KeyId, MessageId, ReplayId, ScheduleId};
pub use key::{ApiKey, Scope};
pub use message::{Message, Origin, Target};
pub use pattern::TopicPattern;
pub use schedule::Schedule;
pub use secret::Secret;
pub use time::{Span, Timestamp};
pub use topic::{Tenant, Topic, TopicName};
