//! A message as it is read back.

use std::collections::BTreeMap;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste_core::message::Origin;
use posthaste_core::{Message, MessageId, Tenant, Timestamp, TopicName};
use posthaste_engine::deliveries::MessageDetail;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An accepted event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    id: MessageId,
    tenant: Tenant,
    topic: Option<TopicName>,
    /// The caller's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    content_type: String,
    /// Headers that win over the endpoint's.
    headers: BTreeMap<String, String>,
    /// Not to be sent before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<Timestamp>,
    /// Not to be sent after this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// The caller's label of what belongs in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<String>,
    /// The caller's own notes.
    metadata: BTreeMap<String, String>,
    /// How many deliveries it has.
    deliveries: usize,
    /// Where it came from.
    origin: Origin,
    /// Why it was refused after it had been taken, as a problem; only where no caller waited for the answer.
    rejection: Option<Value>,
    created_at: Timestamp,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let created_at = message.created_at();
        let extras = message.extras;
        Self {
            id: message.id,
            tenant: message.tenant,
            topic: message.topic,
            uid: extras.uid,
            content_type: message.content_type,
            headers: extras.headers,
            deliver_at: message.deliver_at,
            expires_at: extras.expires_at,
            ordering_key: extras.ordering_key,
            metadata: extras.metadata,
            deliveries: message.targets.len(),
            origin: extras.origin,
            rejection: extras.rejection,
            created_at,
        }
    }
}

/// An accepted event with its payload, as long as that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FullMessage)]
pub struct FullMessageView {
    #[serde(flatten)]
    message: MessageView,
    /// The payload, where it is JSON: its bytes as they were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    payload: Option<Box<RawValue>>,
    /// The payload, where it is another text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
    /// The payload, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

impl From<MessageDetail> for FullMessageView {
    fn from(detail: MessageDetail) -> Self {
        let MessageDetail { message, payload } = detail;
        let json = is_json(&message.content_type);
        let mut view = Self { message: message.into(), payload: None, payload_text: None, payload_base64: None };
        let Some(payload) = payload else { return view };
        match text(payload) {
            Err(bytes) => view.payload_base64 = Some(STANDARD.encode(bytes)),
            // A content type may say JSON where the bytes do not.
            Ok(text) if json && serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
                view.payload = RawValue::from_string(text).ok();
            }
            Ok(text) => view.payload_text = Some(text),
        }
        view
    }
}

/// The text that these bytes are, or the bytes again.
pub fn text(bytes: Bytes) -> Result<String, Bytes> {
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(bytes),
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_media_types_are_json() {
        assert!(is_json("application/json; charset=utf-8") && is_json("application/CloudEvents+json"));
        assert!(!is_json("text/plain") && !is_json("application/jsonp"));
    }
}
