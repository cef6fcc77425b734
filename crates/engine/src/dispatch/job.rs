//! One delivery in memory.

use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::delivery::Progress;
use posthaste_core::{DeliveryId, EndpointId, Message};
use posthaste_store::queue::From;

/// What a job weighs beside its payload, roughly.
const OVERHEAD: usize = 512;

/// One delivery in memory, owned by this node.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// The number of its lane ([`posthaste_core::Lane::order`]); 0 without an order.
    pub order: i64,
    /// Its message.
    pub message: Arc<Message>,
    /// The payload; `None` if it is gone, which ends the delivery.
    pub payload: Option<Bytes>,
    /// Where its row is.
    pub from: From,
    /// How far it has come.
    pub progress: Progress,
    /// Whether it may have been sent already by somebody who did not live to tell.
    pub told: Told,
    /// The membership of this process under which it came into memory ([`crate::lease::Fence::epoch`]).
    pub epoch: u64,
}

/// What is known of earlier exchanges of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// All of them are on record.
    All,
    /// One may have been made of which nothing was recorded.
    PerhapsNotAll,
}

impl Job {
    /// What it weighs in memory and in fairness, in bytes.
    pub fn weight(&self) -> usize {
        OVERHEAD + self.payload.as_ref().map_or(0, Bytes::len)
    }
}
