//! A message that is published inside the caller's own transaction.

use posthaste_core::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::Error;

/// A message for a topic, to be published inside the caller's own transaction.
#[derive(Debug, Clone)]
pub struct Message {
    topic: String,
    payload: String,
    tenant: Option<String>,
    idempotency_key: Option<String>,
    deliver_at: Option<Timestamp>,
    ordering_key: Option<String>,
}

impl Message {
    /// A message with this payload.
    pub fn new<P: Serialize + ?Sized>(topic: impl Into<String>, payload: &P) -> Result<Self, Error> {
        let payload = serde_json::to_string(payload).map_err(Error::Payload)?;
        let topic = topic.into();
        Ok(Self { topic, payload, tenant: None, idempotency_key: None, deliver_at: None, ordering_key: None })
    }

    /// Whose message it is; without this `default`.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Makes a repetition of this publish the same publish, for a day.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Not to be sent before this instant.
    #[must_use]
    pub fn deliver_at(mut self, at: Timestamp) -> Self {
        self.deliver_at = Some(at);
        self
    }

    /// What belongs in order, for endpoints that keep one.
    #[must_use]
    pub fn ordering_key(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// As `POST /v1/messages` takes it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn draft(&self) -> String {
        let mut draft = json!({"topic": self.topic});
        let members = [
            ("tenant", self.tenant.clone()),
            ("idempotency_key", self.idempotency_key.clone()),
            ("deliver_at", self.deliver_at.map(|at| at.to_string())),
            ("ordering_key", self.ordering_key.clone()),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                draft[name] = value.into();
            }
        }
        // The payload's text goes in as it is, behind the last member.
        let mut text = draft.to_string();
        text.pop();
        text + ",\"payload\":" + &self.payload + "}"
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn row(&self) -> posthaste_store_postgres::OutboxMessage {
        posthaste_store_postgres::OutboxMessage {
            topic: self.topic.clone(),
            payload: self.payload.clone(),
            tenant: self.tenant.clone(),
            idempotency_key: self.idempotency_key.clone(),
            deliver_at: self.deliver_at,
            ordering_key: self.ordering_key.clone(),
        }
    }
}
