//! Messages: one accepted event, and the endpoints that it is owed to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{BatchId, DeliveryId, EndpointId, MessageId, ScheduleId};
use crate::time::Timestamp;
use crate::topic::{Tenant, TopicName};

/// One accepted event. Its payload is stored beside it and has an age of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Minted when it was accepted; sorts by time.
    pub id: MessageId,
    /// Whose event it is.
    pub tenant: Tenant,
    /// What kind of event; absent for one that only addresses endpoints or URLs.
    pub topic: Option<TopicName>,
    /// The payload's content type.
    pub content_type: String,
    /// Whom it is owed to; the delivery at position `n` is owed to `targets[n - 1]`.
    pub targets: Vec<Target>,
    /// The batch that its direct targets went with.
    pub batch: BatchId,
    /// Not to be sent before this instant.
    pub deliver_at: Option<Timestamp>,
    /// What few messages have.
    pub extras: MessageExtras,
}

impl Message {
    /// Each delivery of this message with its target.
    pub fn deliveries(&self) -> impl DoubleEndedIterator<Item = (DeliveryId, Target)> + '_ {
        let id = self.id;
        // At most MAX_POSITION targets were accepted, so a position always fits.
        (1u32..)
            .zip(&self.targets)
            .map(move |(position, target)| (id.delivery(position), *target))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The target of one of this message's deliveries.
    pub fn target(&self, delivery: DeliveryId) -> Option<Target> {
        let index = delivery.position().checked_sub(1)?;
        self.targets.get(usize::try_from(index).ok()?).copied()
    }

    /// What its requests carry as `webhook-id`: its own id, or that of the message it repeats.
    pub fn webhook_id(&self) -> MessageId {
        match self.extras.origin {
            Origin::Replay { message_id } => message_id,
            _ => self.id,
        }
    }

    /// When it was accepted, to the millisecond.
    pub fn created_at(&self) -> Timestamp {
        self.id.timestamp()
    }
}

/// One endpoint that a message is owed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its revision when the message was accepted.
    pub revision: u32,
}

impl Target {
    /// Bytes of one packed target.
    pub const PACKED: usize = 20;

    /// Packs targets into the form both stores keep: a version byte, then 16 bytes of endpoint and 4 of revision each.
    pub fn pack(targets: &[Self]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(1 + targets.len() * Self::PACKED);
        packed.push(1);
        for target in targets {
            packed.extend_from_slice(&target.endpoint.to_bytes());
            packed.extend_from_slice(&target.revision.to_be_bytes());
        }
        packed
    }

    /// Reads what [`Target::pack`] wrote; `None` if it is of an unknown version or torn.
    pub fn unpack(packed: &[u8]) -> Option<Vec<Self>> {
        let (&version, rest) = packed.split_first()?;
        if version != 1 || !rest.len().is_multiple_of(Self::PACKED) {
            return None;
        }
        rest.chunks_exact(Self::PACKED)
            .map(|chunk| {
                let (endpoint, revision) = chunk.split_at(16);
                Some(Self {
                    endpoint: EndpointId::from_bytes(endpoint.try_into().ok()?),
                    revision: u32::from_be_bytes(revision.try_into().ok()?),
                })
            })
            .collect()
    }
}

/// The rarer members of a message; stored as one document, absent when empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MessageExtras {
    /// The caller's own id, unique per tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Headers that win over the endpoint's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The caller's own notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The caller's label of what belongs in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering_key: Option<String>,
    /// Sent to endpoints that were named outright: its topic is only a label.
    #[serde(default, skip_serializing_if = "is_false")]
    pub addressed: bool,
    /// Not to be sent after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The attributes of the CloudEvent that it came as, `id`, `source` and `type` too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cloudevent: crate::cloudevents::Attributes,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Origin::is_api")]
    pub origin: Origin,
    /// Why it was refused after it had been taken, as a problem document; only where no caller waited for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<serde_json::Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Where a message came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A publish.
    #[default]
    Api,
    /// A CloudEvent.
    Event,
    /// A schedule that fired.
    Schedule {
        /// Which.
        schedule_id: ScheduleId,
        /// For which due time.
        fire_at: Timestamp,
    },
    /// The SQL outbox.
    Outbox,
    /// A replay of an earlier message, whose `webhook-id` it carries.
    Replay {
        /// The earlier one.
        message_id: MessageId,
    },
    /// A delivery that failed for good.
    DeadLetter {
        /// Which.
        delivery_id: DeliveryId,
    },
    /// Posthaste itself.
    System,
}

impl Origin {
    fn is_api(&self) -> bool {
        *self == Self::Api
    }
}

impl MessageExtras {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_targets_round_trip_and_torn_ones_are_refused() {
        let targets = vec![
            Target { endpoint: EndpointId::from_bits(1), revision: 7 },
            Target { endpoint: EndpointId::from_bits(u128::MAX), revision: 1 },
        ];
        let packed = Target::pack(&targets);
        assert_eq!(Target::unpack(&packed), Some(targets));
        assert_eq!(Target::unpack(&packed[..20]), None);
        assert_eq!(Target::unpack(&[9]), None);
    }
}
