//! System events: what Posthaste itself has to say, published on `posthaste.…` topics through the same door as all else.
//!
//! They reach endpoints that name such a topic, or a pattern that begins with `posthaste.`; a bare `*` does not mean
//! them. Nothing is announced about the delivery of an announcement, so an endpoint that fails cannot feed itself.

use posthaste_core::{Endpoint, Origin, Tenant, TopicName};
use serde_json::{Value, json};

use crate::Engine;
use crate::caller::Caller;
use crate::ingest::{Draft, Envelope};

/// Topics whose names begin so are Posthaste's own.
const OWN: &str = "posthaste.";

/// An endpoint was paused.
pub const ENDPOINT_PAUSED: &str = "posthaste.endpoint.paused";
/// An endpoint was disabled: it failed for too long, or answered 410.
pub const ENDPOINT_DISABLED: &str = "posthaste.endpoint.disabled";
/// An endpoint that was paused or disabled is active again.
pub const ENDPOINT_RECOVERED: &str = "posthaste.endpoint.recovered";
/// An endpoint's owner said that it wants messages.
pub const ENDPOINT_VERIFIED: &str = "posthaste.endpoint.verified";
/// A delivery failed for good.
pub const DELIVERY_FAILED: &str = "posthaste.delivery.failed";
/// A replay came to its end.
pub const REPLAY_FINISHED: &str = "posthaste.replay.finished";

/// All of them.
pub const TOPICS: [&str; 6] =
    [ENDPOINT_PAUSED, ENDPOINT_DISABLED, ENDPOINT_RECOVERED, ENDPOINT_VERIFIED, DELIVERY_FAILED, REPLAY_FINISHED];

/// Whether only Posthaste itself may publish on this topic.
pub fn is_own(topic: &TopicName) -> bool {
    topic.as_str().starts_with(OWN)
}

/// Whether it is one of the topics that Posthaste publishes on.
pub fn is_system(topic: &TopicName) -> bool {
    TOPICS.contains(&topic.as_str())
}

impl Engine {
    /// Says what happened to an endpoint. Its revision makes two nodes that say it say it once.
    pub(crate) fn announce_endpoint(&self, topic: &'static str, endpoint: &Endpoint) {
        let event = json!({
            "type": topic,
            "endpoint_id": endpoint.id,
            "tenant": endpoint.tenant,
            "url": endpoint.settings.url,
            "state": endpoint.state.as_str(),
            "reason": endpoint.state_reason,
            "at": endpoint.updated_at,
        });
        let once = format!("{topic}:{}:{}", endpoint.id, endpoint.revision);
        self.announce(endpoint.tenant.clone(), topic, once, event);
    }

    /// Publishes a system event, behind the caller's back: who listens is told, nobody waits for it.
    pub(crate) fn announce(&self, tenant: Tenant, topic: &'static str, once: String, event: Value) {
        let engine = self.clone();
        self.0.tracker.spawn(async move {
            if let Err(error) = engine.publish_own(&tenant, topic, once, event).await {
                tracing::warn!(%error, topic, "a system event was not published");
            }
        });
    }

    async fn publish_own(&self, tenant: &Tenant, topic: &str, once: String, event: Value) -> crate::Result<()> {
        let name: TopicName = topic.parse().map_err(|error| crate::EngineError::Internal(format!("{error}")))?;
        let (view, _) = self.0.catalog.view(tenant).await?;
        if view.wanting(&name).is_empty() {
            return Ok(());
        }
        let payload =
            serde_json::value::to_raw_value(&event).map_err(|error| crate::EngineError::Internal(error.to_string()))?;
        let draft = Draft {
            topic: Some(topic.into()),
            tenant: Some(tenant.as_str().into()),
            payload: Some(&payload),
            ..Draft::default()
        };
        let envelope = Envelope {
            request_bytes: once.clone().into(),
            idempotency_key: Some(once),
            origin: Origin::System,
            ..Envelope::default()
        };
        self.publish(&Caller::admin(), draft, envelope).await.map(|_| ())
    }
}
