//! Subscribing a URL to a topic, and taking it off again, without knowing of endpoints: twice is once.

use posthaste_core::endpoint::Verification;
use posthaste_core::{Endpoint, EndpointId, Scope, Tenant, TopicPattern};
use posthaste_store::StoreError;
use serde::Deserialize;
use serde_json::Value;

use crate::Engine;
use crate::addressing::derived_id;
use crate::caller::Caller;
use crate::document;
use crate::endpoints::{Registration, TRIES, fresh_secrets};
use crate::error::{EngineError, Result};
use crate::rules;

/// What a caller gives to subscribe.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SubscribeDraft {
    /// Where to send.
    url: String,
    /// A topic or a pattern.
    topic: TopicPattern,
    /// Whose; by default the key's tenant, else `default`.
    #[serde(default)]
    tenant: Option<String>,
    /// How the URL's owner is asked; by default as the server is set up.
    #[serde(default)]
    verification: Option<Verification>,
}

/// What a caller gives to unsubscribe.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnsubscribeDraft {
    /// Which URL.
    url: String,
    /// Off which topic or pattern; without one the URL goes everywhere.
    #[serde(default)]
    topic: Option<TopicPattern>,
    /// Whose; by default the key's tenant, else `default`.
    #[serde(default)]
    tenant: Option<String>,
}

/// What subscribing did.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// The endpoint of that URL.
    pub endpoint: Endpoint,
    /// Whether it was made for this.
    pub created: bool,
}

impl Engine {
    /// Makes a URL get a topic's messages: one endpoint per tenant and URL, to which the topic is added.
    pub async fn subscribe(&self, caller: &Caller, body: Value) -> Result<Subscribed> {
        caller.require(Scope::Endpoints)?;
        let draft: SubscribeDraft = document::read(body, "")?;
        let tenant = caller.tenant_for(draft.tenant.as_deref())?;
        let url = rules::endpoint_url("/url", &draft.url, &self.0.options.allow)?;
        let id = subscription_id(&tenant, url.as_str());
        for _ in 0..TRIES {
            let result = match self.0.store.endpoint(id).await? {
                Some(endpoint) => self.add_topic(endpoint, &draft.topic).await,
                None => self.subscribe_new(&tenant, id, url.as_str(), &draft).await,
            };
            match result {
                Err(EngineError::Conflict { code: "changed_meanwhile" | "id_taken", .. }) => {}
                Err(EngineError::Invalid(mut errors)) => {
                    // The member is `topic` here, whatever list it goes into.
                    for error in &mut errors {
                        if error.pointer.starts_with("/topics") {
                            "/topic".clone_into(&mut error.pointer);
                        }
                    }
                    return Err(EngineError::Invalid(errors));
                }
                other => return other,
            }
        }
        Err(EngineError::Conflict {
            code: "changed_meanwhile",
            detail: "others change this endpoint; repeat".to_owned(),
        })
    }

    async fn subscribe_new(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        url: &str,
        draft: &SubscribeDraft,
    ) -> Result<Subscribed> {
        let mut settings = self.new_settings(url.to_owned(), vec![draft.topic.clone()]);
        settings.verification = draft.verification.unwrap_or(self.0.options.verification);
        let settings = self.check_settings(tenant, None, settings, None).await?;
        let registration = Registration { tenant: tenant.clone(), id, uid: None, settings, secrets: fresh_secrets()? };
        let endpoint = self.register(registration).await?;
        Ok(Subscribed { endpoint, created: true })
    }

    async fn add_topic(&self, mut endpoint: Endpoint, topic: &TopicPattern) -> Result<Subscribed> {
        if endpoint.settings.topics.contains(topic) {
            return Ok(Subscribed { endpoint, created: false });
        }
        endpoint.settings.topics.push(topic.clone());
        endpoint.settings = self.check_settings(&endpoint.tenant, Some(endpoint.id), endpoint.settings, None).await?;
        Ok(Subscribed { endpoint: self.write(endpoint).await?, created: false })
    }

    /// Takes a URL off a topic, or (without one) everywhere; says whether there was anything to take off.
    pub async fn unsubscribe(&self, caller: &Caller, body: Value) -> Result<bool> {
        caller.require(Scope::Endpoints)?;
        let draft: UnsubscribeDraft = document::read(body, "")?;
        let tenant = caller.tenant_for(draft.tenant.as_deref())?;
        let url = posthaste_core::address::parse_endpoint_url(&draft.url)
            .map_err(|error| EngineError::invalid("/url", error.to_string()))?;
        let mut removed = false;
        for id in self.endpoints_of_url(&tenant, url.as_str()).await? {
            removed |= self.unsubscribe_one(id, draft.topic.as_ref()).await?;
        }
        if removed {
            self.catalog_changed_everywhere().await?;
        }
        Ok(removed)
    }

    async fn endpoints_of_url(&self, tenant: &Tenant, url: &str) -> Result<Vec<EndpointId>> {
        let (view, _) = self.0.catalog.view(tenant).await?;
        let of_url = view.endpoints().filter(|known| known.endpoint.settings.url == url);
        Ok(of_url.map(|known| known.endpoint.id).collect())
    }

    async fn unsubscribe_one(&self, id: EndpointId, topic: Option<&TopicPattern>) -> Result<bool> {
        for _ in 0..TRIES {
            let Some(mut endpoint) = self.0.store.endpoint(id).await? else { return Ok(false) };
            let result = match topic {
                None => self.0.store.delete_endpoint(id, self.0.clock.now()).await,
                Some(topic) if !endpoint.settings.topics.contains(topic) => return Ok(false),
                // Its last topic: what was only subscribed goes with it, what was registered stays.
                Some(_)
                    if endpoint.settings.topics.len() == 1
                        && id == subscription_id(&endpoint.tenant, &endpoint.settings.url) =>
                {
                    self.0.store.delete_endpoint(id, self.0.clock.now()).await
                }
                Some(topic) => {
                    endpoint.settings.topics.retain(|known| known != topic);
                    endpoint.revision += 1;
                    endpoint.updated_at = self.0.clock.now();
                    self.0.store.update_endpoint(&endpoint, None).await
                }
            };
            match result {
                Err(StoreError::Conflict(posthaste_store::Conflict::RevisionMoved)) => {}
                Err(StoreError::NotFound) => return Ok(false),
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(true),
            }
        }
        Err(EngineError::Conflict {
            code: "changed_meanwhile",
            detail: "others change this endpoint; repeat".to_owned(),
        })
    }
}

/// The identity of a subscribed URL: what makes "one per tenant and URL" true on every node.
fn subscription_id(tenant: &Tenant, url: &str) -> EndpointId {
    derived_id(b"posthaste subscription v1\0", tenant, url)
}
