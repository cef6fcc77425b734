//! An accepted event as a message of the protocol.

use posthaste_core::Message;
use posthaste_core::message::Origin;
use posthaste_engine::deliveries::MessageDetail;

use crate::proto::OriginKind;
use crate::{instant, proto, value};

/// A message without its payload.
pub fn message(message: Message) -> proto::Message {
    let created_at = message.created_at();
    let extras = message.extras;
    proto::Message {
        id: message.id.to_string(),
        tenant: message.tenant.into(),
        topic: message.topic.map(Into::into),
        uid: extras.uid,
        payload: None,
        content_type: message.content_type,
        headers: extras.headers,
        deliver_at: message.deliver_at.map(instant::show),
        expires_at: extras.expires_at.map(instant::show),
        ordering_key: extras.ordering_key,
        metadata: extras.metadata,
        // A message has at most 2²⁰ targets.
        deliveries: u32::try_from(message.targets.len()).unwrap_or(u32::MAX),
        origin: Some(origin(&extras.origin)),
        rejection: extras.rejection.map(value::show_struct),
        created_at: Some(instant::show(created_at)),
    }
}

/// A message with its payload, as long as that is kept.
pub fn full_message(detail: MessageDetail) -> proto::Message {
    proto::Message { payload: detail.payload, ..message(detail.message) }
}

fn origin(origin: &Origin) -> proto::Origin {
    let of = |kind: OriginKind| proto::Origin { kind: kind as i32, ..proto::Origin::default() };
    match origin {
        Origin::Api => of(OriginKind::Api),
        Origin::Event => of(OriginKind::Event),
        Origin::Outbox => of(OriginKind::Outbox),
        Origin::System => of(OriginKind::System),
        Origin::Schedule { schedule_id, fire_at } => proto::Origin {
            schedule_id: Some(schedule_id.to_string()),
            fire_at: Some(instant::show(*fire_at)),
            ..of(OriginKind::Schedule)
        },
        Origin::Replay { message_id } => {
            proto::Origin { message_id: Some(message_id.to_string()), ..of(OriginKind::Replay) }
        }
        Origin::DeadLetter { delivery_id } => {
            proto::Origin { delivery_id: Some(delivery_id.to_string()), ..of(OriginKind::DeadLetter) }
        }
    }
}
