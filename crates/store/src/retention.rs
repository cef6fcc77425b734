//! Letting go of what is old.

use std::time::Duration;

use async_trait::async_trait;
use posthaste_core::{DeliveryId, Timestamp};

use crate::Result;

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Messages with payloads, deliveries and attempts.
    pub messages: Duration,
    /// What was kept of responses.
    pub captures: Duration,
}

/// What one call let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Messages, as far as they were counted (a dropped partition is not).
    pub messages: u64,
    /// There is more to do: call again.
    pub more: bool,
}

/// What one call ended because its time was over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Deliveries that waited; they are cancelled now.
    pub ended: Vec<DeliveryId>,
    /// There is more to do: call again.
    pub more: bool,
}

/// Retention. The horizon, an instant before which messages may be gone, is moved first, under its lock; then what is
/// still owed (in `due`, in a live batch, the origin of a replay) is carried over; only then is anything dropped. A
/// retry or a replay holds the horizon in share, so it finds a message either there or declared gone.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Lets go of one chunk of what is older than its age. Safe to repeat and on any node. Never what a waiting delivery
    /// needs.
    async fn prune(&self, ages: &Ages, now: Timestamp) -> Result<Pruned>;

    /// Ends what waits in `due` of messages that expired at or before `before`, as cancelled and
    /// [`posthaste_core::CloseReason::Expired`], whatever it waits for; at most `limit` messages, and about as many
    /// deliveries, in one call. Safe to repeat and on any node. A message is looked at once, and again if one of its
    /// deliveries is retried; what is in a batch is its owner's to end.
    async fn expire(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<Expired>;
}
