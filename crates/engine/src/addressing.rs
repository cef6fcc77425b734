//! Whom a message is for: everybody who wants its topic, or endpoints and URLs that are named.

use std::sync::Arc;

use posthaste_core::endpoint::EndpointState;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Endpoint, EndpointId, Tenant, TopicName, filter};
use posthaste_store::{Conflict, StoreError};
use sha2::{Digest, Sha256};

use crate::Engine;
use crate::catalog::{EndpointView, TenantView};
use crate::endpoints::fresh_secrets;
use crate::error::{EngineError, Result};
use crate::rules;

/// The most endpoints or URLs that one message may name.
const MAX_NAMED: usize = 10_000;
/// The most ad-hoc endpoints of one tenant.
pub(crate) const MAX_ADHOC: u32 = 10_000;

/// Whom a message is for, kept until it is committed: a catalog that moves meanwhile asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressing {
    /// Whoever wants the topic.
    Topic,
    /// These endpoints.
    Endpoints(Vec<EndpointId>),
}

/// What matching looks at of a message.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its topic.
    pub topic: Option<&'a TopicName>,
    /// What filters see.
    pub input: filter::Input<'a>,
}

impl<'a> Subject<'a> {
    /// A message that is being accepted, or looked at again.
    pub fn new(topic: Option<&'a TopicName>, extras: &'a MessageExtras, payload: &'a filter::Payload<'a>) -> Self {
        let input = filter::Input {
            topic: topic.map(TopicName::as_str),
            headers: &extras.headers,
            metadata: &extras.metadata,
            payload,
        };
        Self { topic, input }
    }
}

impl Addressing {
    /// The endpoints that take a delivery, in a tenant's view. Those named outright are not asked for their filters.
    pub fn targets(&self, view: &TenantView, subject: &Subject<'_>) -> Result<Vec<Arc<EndpointView>>> {
        match (self, subject.topic) {
            (Self::Topic, Some(topic)) => {
                if !view.knows_topic(topic) {
                    let detail = format!("there is no topic `{topic}`: create it first (POST /v1/topics)");
                    return Err(EngineError::invalid("/topic", detail));
                }
                let mut wanting = view.wanting(topic);
                wanting.retain(|endpoint| endpoint.wants(&subject.input).holds());
                Ok(wanting)
            }
            (Self::Topic, None) => Err(EngineError::invalid("/topic", "give a topic, endpoint_ids or urls")),
            (Self::Endpoints(ids), _) => {
                let mut targets = Vec::with_capacity(ids.len());
                for (index, id) in ids.iter().enumerate() {
                    let Some(endpoint) = view.endpoint(*id) else {
                        let pointer = format!("/endpoint_ids/{index}");
                        return Err(EngineError::invalid(pointer, format!("there is no endpoint {id}")));
                    };
                    if endpoint.endpoint.state.takes_deliveries() {
                        targets.push(endpoint.clone());
                    }
                }
                targets.sort_unstable_by_key(|view| view.endpoint.id);
                targets.dedup_by_key(|view| view.endpoint.id);
                Ok(targets)
            }
        }
    }
}

impl Engine {
    /// Endpoints named by id or `uid:…`.
    pub(crate) async fn addressed_endpoints(&self, tenant: &Tenant, ids: &[String]) -> Result<Addressing> {
        bounded("/endpoint_ids", ids)?;
        let mut found = Vec::with_capacity(ids.len());
        for (index, text) in ids.iter().enumerate() {
            let id = match text.strip_prefix("uid:") {
                Some(uid) => self.0.store.endpoint_by_uid(tenant, uid).await?.map(|endpoint| endpoint.id),
                None => text.parse().ok(),
            };
            let pointer = || format!("/endpoint_ids/{index}");
            found.push(id.ok_or_else(|| EngineError::invalid(pointer(), format!("there is no endpoint {text}")))?);
        }
        Ok(Addressing::Endpoints(found))
    }

    /// URLs named outright: each becomes, once per tenant, an ad-hoc endpoint.
    pub(crate) async fn addressed_urls(&self, tenant: &Tenant, urls: &[String]) -> Result<Addressing> {
        bounded("/urls", urls)?;
        let (view, _) = self.0.catalog.view(tenant).await?;
        let mut ids = Vec::with_capacity(urls.len());
        let mut created = false;
        for (index, url) in urls.iter().enumerate() {
            let pointer = format!("/urls/{index}");
            let url = rules::endpoint_url(&pointer, url, &self.0.options.allow)?;
            let id = adhoc_id(tenant, url.as_str());
            if view.endpoint(id).is_none() {
                created |= self.create_adhoc(tenant, id, url.into()).await?;
            }
            ids.push(id);
        }
        if created {
            self.catalog_changed().await?;
        }
        Ok(Addressing::Endpoints(ids))
    }

    async fn create_adhoc(&self, tenant: &Tenant, id: EndpointId, url: String) -> Result<bool> {
        let now = self.0.clock.now();
        let endpoint = Endpoint {
            id,
            tenant: tenant.clone(),
            uid: None,
            adhoc: true,
            settings: self.new_settings(url, Vec::new()),
            state: EndpointState::Active,
            state_reason: None,
            challenge: None,
            secrets: self
                .0
                .vault
                .seal(id, &fresh_secrets()?)
                .map_err(|error| EngineError::Internal(error.to_string()))?,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        match self.0.store.create_endpoint(&endpoint, MAX_ADHOC).await {
            // Taken: another publish made it a moment ago.
            Ok(()) | Err(StoreError::Conflict(Conflict::IdTaken)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

fn bounded(pointer: &str, named: &[String]) -> Result<()> {
    if named.is_empty() || named.len() > MAX_NAMED {
        return Err(EngineError::invalid(pointer, format!("name 1 to {MAX_NAMED}")));
    }
    Ok(())
}

/// An ad-hoc endpoint's identity: what makes "once per tenant" true on every node without asking anybody.
fn adhoc_id(tenant: &Tenant, url: &str) -> EndpointId {
    derived_id(b"posthaste ad-hoc endpoint v1\0", tenant, url)
}

/// An id that follows from a tenant and a URL, for one purpose.
pub(crate) fn derived_id(purpose: &[u8], tenant: &Tenant, url: &str) -> EndpointId {
    let mut hash = Sha256::new_with_prefix(purpose);
    hash.update(tenant.as_str().as_bytes());
    hash.update([0]);
    hash.update(url.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest[..16]);
    EndpointId::from_bytes(bits)
}
