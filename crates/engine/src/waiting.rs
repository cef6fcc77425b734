//! Messages all of whose deliveries wait in the database from the start: nobody's memory is asked for them, and the
//! owners of their endpoints' shards send them in their turn. Replays, schedules and the outbox publish so.

use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::endpoint::Ordering;
use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Endpoint, Lane, Message, MessageId, Tenant, Timestamp, TopicName, WaitingFor};
use posthaste_store::NewMessage;
use posthaste_store::queue::{IdempotencyKey, Wait};

use crate::catalog::EndpointView;

/// What such a message is made of.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its id.
    pub id: MessageId,
    /// Whose.
    pub tenant: Tenant,
    /// Its topic.
    pub topic: Option<TopicName>,
    /// Its content type.
    pub content_type: String,
    /// Not to be sent before.
    pub deliver_at: Option<Timestamp>,
    /// The rarer members.
    pub extras: MessageExtras,
    /// The payload.
    pub payload: Bytes,
    /// The caller's key.
    pub idempotency: Option<IdempotencyKey>,
}

impl Waiting {
    /// The message for these endpoints, due at `now` unless it is to be later.
    pub fn to(self, targets: &[Arc<EndpointView>], now: Timestamp) -> NewMessage {
        let later = self.deliver_at.filter(|at| *at > now);
        let waits = (1u32..).zip(targets).map(|(position, view)| {
            let lane = lane_of(&view.endpoint, self.extras.ordering_key.as_deref());
            let waiting_for = match later {
                Some(_) => WaitingFor::Schedule,
                None => waiting_for(&view.endpoint, lane).unwrap_or(WaitingFor::InFlight),
            };
            Wait { position, due_at: later.unwrap_or(now), waiting_for, order: lane.order }
        });
        let waits = waits.collect();
        let message = Message {
            id: self.id,
            tenant: self.tenant,
            topic: self.topic,
            content_type: self.content_type,
            targets: targets.iter().map(|view| view.target()).collect(),
            batch: BatchId::from_bits(self.id.bits()),
            deliver_at: self.deliver_at,
            extras: self.extras,
        };
        NewMessage { message: Arc::new(message), payload: self.payload, idempotency: self.idempotency, waits }
    }
}

/// The lane in which an endpoint's delivery of a message with this ordering key waits.
pub fn lane_of(endpoint: &Endpoint, ordering_key: Option<&str>) -> Lane {
    match endpoint.settings.ordering {
        Ordering::None => Lane::unordered(endpoint.id),
        Ordering::Fifo => Lane::ordered(endpoint.id, ordering_key),
    }
}

/// What a delivery that could be sent now waits for at its endpoint, if it has to wait in the database whatever this
/// node's memory says: an order, and a limit over all nodes, are kept by the one owner of the endpoint's shard.
pub fn waiting_for(endpoint: &Endpoint, lane: Lane) -> Option<WaitingFor> {
    if !endpoint.state.sends() {
        Some(WaitingFor::EndpointPaused)
    } else if lane.is_ordered() {
        Some(WaitingFor::Order)
    } else {
        endpoint.settings.rate_limit.map(|_| WaitingFor::RateLimit)
    }
}
