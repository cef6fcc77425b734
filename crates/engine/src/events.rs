//! CloudEvents come in: `type` is the topic, `source` and `id` together the idempotency key, and all attributes are kept
//! to be sent again.

use bytes::Bytes;
use futures_util::future::join_all;
use posthaste_core::Origin;
use posthaste_core::cloudevents::{Event, EventError};
use sha2::{Digest, Sha256};

use crate::Engine;
use crate::caller::Caller;
use crate::error::{EngineError, Result};
use crate::ingest::{Draft, Envelope, MAX_BATCH, Receipt};

/// The extension attribute that names the tenant.
const TENANT: &str = "tenant";
/// The longest idempotency key as it is; a longer one is hashed.
const LONGEST_KEY: usize = 255;

impl Engine {
    /// Accepts one event: returns once it is committed. Two events of one `source` and `id` are one.
    pub async fn publish_event(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        event: Event<'_>,
        traceparent: Option<String>,
    ) -> Result<Receipt> {
        let named = event.attributes.get(TENANT).and_then(|value| value.as_text()).map(str::to_owned);
        if let (Some(parameter), Some(attribute)) = (tenant, &named)
            && parameter != attribute
        {
            return Err(EngineError::invalid("/tenant", "the attribute and the parameter name different tenants"));
        }
        let key = once(event.source(), event.id());
        let topic = event.kind().to_owned();
        let draft = Draft {
            topic: Some(topic.into()),
            tenant: named.or_else(|| tenant.map(str::to_owned)).map(Into::into),
            payload_bytes: Some(Bytes::copy_from_slice(&event.data)),
            content_type: Some(event.content_type),
            ..Draft::default()
        };
        let envelope = Envelope {
            request_bytes: key.clone().into(),
            idempotency_key: Some(key),
            origin: Origin::Event,
            cloudevent: event.attributes,
            traceparent,
            ..Envelope::default()
        };
        self.publish(caller, draft, envelope).await.map_err(name_attributes)
    }

    /// Accepts 1 to 500 events, each for itself; answers in the order given. Pointers lead into each event.
    pub async fn publish_events(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        events: Vec<Result<Event<'_>, EventError>>,
        traceparent: Option<&str>,
    ) -> Result<Vec<Result<Receipt>>> {
        if events.is_empty() || events.len() > MAX_BATCH {
            return Err(EngineError::invalid("", format!("give 1 to {MAX_BATCH} events")));
        }
        let published = events
            .into_iter()
            .map(async |event| self.publish_event(caller, tenant, event?, traceparent.map(str::to_owned)).await);
        Ok(join_all(published).await)
    }
}

impl From<EventError> for EngineError {
    /// In a document an attribute is a member.
    fn from(error: EventError) -> Self {
        let pointer = if error.attribute.is_empty() { String::new() } else { format!("/{}", error.attribute) };
        Self::invalid(pointer, error.detail)
    }
}

/// The idempotency key of an event.
fn once(source: &str, id: &str) -> String {
    let key = format!("{source} {id}");
    if key.len() <= LONGEST_KEY {
        return key;
    }
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The caller wrote `type` and `datacontenttype`, not `topic` and `content_type`.
fn name_attributes(error: EngineError) -> EngineError {
    let EngineError::Invalid(mut errors) = error else { return error };
    for error in &mut errors {
        match error.pointer.as_str() {
            "/topic" => "/type".clone_into(&mut error.pointer),
            "/content_type" => "/datacontenttype".clone_into(&mut error.pointer),
            _ => {}
        }
    }
    EngineError::Invalid(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_source_still_makes_a_key_of_its_own() {
        let long = "s".repeat(300);
        assert_eq!(once("/a", "1"), "/a 1");
        assert_ne!(once(&long, "1"), once(&long, "2"));
        assert!(once(&long, "1").len() <= LONGEST_KEY);
    }
}
