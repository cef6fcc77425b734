//! What people do with messages and deliveries: look, retry, cancel, test.

mod detail;
mod outline;

use std::time::{Duration, Instant};

use bytes::Bytes;
use posthaste_core::delivery::Placement;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::id::NodeId;
use posthaste_core::{
    Attempt, AttemptId, Capture, Delivery, DeliveryId, Message, MessageId, Scope, Tenant, Timestamp, WaitingFor,
};
use posthaste_store::history::{DeliveryFilter, MessageFilter, Stats};
use posthaste_store::{Page, Peer, Slice};
use serde_json::json;

use crate::Engine;
use crate::caller::Caller;
use crate::erasures::hides;
use crate::error::{EngineError, Result};
use crate::ingest::{Draft, Envelope};
use crate::request::{self, ShownRequest};

pub use outline::Outline;

/// A message as it is read back.
#[derive(Debug, Clone)]
pub struct MessageDetail {
    /// The message.
    pub message: Message,
    /// Its payload; `None` once it is past its age.
    pub payload: Option<Bytes>,
}

/// A delivery as it is shown.
#[derive(Debug, Clone)]
pub struct DeliveryDetail {
    /// The delivery and its place.
    pub delivery: Delivery,
    /// Where it goes; `None` if the endpoint's record is gone.
    pub url: Option<String>,
    /// Why it waits, if it does.
    pub waiting_for: Option<WaitingFor>,
    /// When it is tried next, if that is known.
    pub next_attempt_at: Option<Timestamp>,
}

/// An attempt as it is shown.
#[derive(Debug, Clone)]
pub struct AttemptDetail {
    /// The attempt.
    pub attempt: Attempt,
    /// Its request, made again; `None` if what it was made from is gone.
    pub request: Option<ShownRequest>,
    /// What was kept of the response.
    pub response: Option<Capture>,
}

/// The state of the whole system.
#[derive(Debug, Clone)]
pub struct SystemStats {
    /// Counts.
    pub counts: Stats,
    /// The nodes that live.
    pub nodes: Vec<Peer>,
    /// The one that leads, if any does.
    pub leader: Option<NodeId>,
    /// What only those are told who may do everything.
    pub server: Option<ServerInfo>,
}

/// How the node that answers is set up.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// The database's time, as this node knows it.
    pub now: Timestamp,
    /// Whether endpoint secrets are sealed.
    pub seals_secrets: bool,
    /// The version of the database's schema.
    pub schema_version: Option<i64>,
    /// The networks that may be sent to although the guard would refuse them.
    pub allowed_networks: Vec<String>,
}

impl Engine {
    /// Messages, newest first.
    pub async fn messages(&self, caller: &Caller, filter: MessageFilter, page: Page) -> Result<Slice<Message>> {
        caller.require(Scope::Read)?;
        let erasures = self.erasures();
        let mut slice = self.0.store.messages(&filter, page).await?;
        slice.items.retain(|message| !hides(&erasures, message));
        Ok(slice)
    }

    /// The message with a caller's own id, if the filter shows it: a list of one, or of none.
    pub async fn messages_with_uid(&self, caller: &Caller, filter: MessageFilter, uid: &str) -> Result<Slice<Message>> {
        caller.require(Scope::Read)?;
        let tenant = caller.tenant_for(filter.tenant.as_ref().map(Tenant::as_str))?;
        let erasures = self.erasures();
        let found = self.0.store.message_by_uid(&tenant, uid).await?;
        let found = found.filter(|message| filter.shows(message) && !hides(&erasures, message));
        Ok(Slice { items: found.into_iter().collect(), next: None })
    }

    /// One message with its payload, by id or `uid:…`.
    pub async fn message(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<MessageDetail> {
        caller.require(Scope::Read)?;
        let message = self.find_message(caller, tenant, id).await?;
        let payload = self.0.store.payload(message.id).await?;
        Ok(MessageDetail { message, payload })
    }

    pub(crate) async fn find_message(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<Message> {
        let erasures = self.erasures();
        let found = match id.strip_prefix("uid:") {
            Some(uid) => self.0.store.message_by_uid(&caller.tenant_for(tenant)?, uid).await?,
            None => match id.parse::<MessageId>() {
                Ok(id) => match self.0.store.message(id).await? {
                    None => self.outbox_message(id).await?,
                    found => found,
                },
                Err(_) => None,
            },
        };
        let found = found.filter(|message| caller.sees(&message.tenant) && !hides(&erasures, message));
        found.ok_or(EngineError::NotFound("message"))
    }

    /// Ends every pending delivery of a message; says how many those were.
    pub async fn cancel_message(&self, caller: &Caller, tenant: Option<&str>, id: &str) -> Result<usize> {
        caller.require(Scope::Publish)?;
        let message = self.find_message(caller, tenant, id).await?;
        let cancelled = self.0.store.cancel_message(message.id, self.0.clock.now()).await?;
        self.withdraw(&cancelled).await;
        Ok(cancelled.len())
    }

    /// Deliveries, newest first.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Slice<DeliveryDetail>> {
        caller.require(Scope::Read)?;
        let erasures = self.erasures();
        let slice = self.0.store.deliveries(&filter, page).await?;
        let items = self.details(self.without_erased(&erasures, slice.items).await?).await?;
        Ok(Slice { items, next: slice.next })
    }

    /// One delivery.
    pub async fn delivery(&self, caller: &Caller, id: &str) -> Result<DeliveryDetail> {
        caller.require(Scope::Read)?;
        let delivery = self.find_delivery(caller, id).await?;
        self.detail(delivery).await
    }

    pub(crate) async fn find_delivery(&self, caller: &Caller, id: &str) -> Result<Delivery> {
        let id: DeliveryId = id.parse().map_err(|_| EngineError::NotFound("delivery"))?;
        let erasures = self.erasures();
        let found = self.0.store.delivery(id).await?.filter(|delivery| caller.sees(&delivery.tenant));
        let found = self.without_erased(&erasures, found.into_iter().collect()).await?.pop();
        found.ok_or(EngineError::NotFound("delivery"))
    }

    /// Begins a fresh schedule for a delivery, now.
    pub async fn retry_delivery(&self, caller: &Caller, id: &str) -> Result<DeliveryDetail> {
        caller.require(Scope::Endpoints)?;
        let found = self.find_delivery(caller, id).await?;
        let now = self.0.clock.now();
        let delivery = self.0.store.retry_delivery(found.id, now).await?;
        self.0.drain_hint.by(now);
        self.detail(delivery).await
    }

    /// Ends a pending delivery.
    pub async fn cancel_delivery(&self, caller: &Caller, id: &str) -> Result<DeliveryDetail> {
        caller.require(Scope::Endpoints)?;
        let found = self.find_delivery(caller, id).await?;
        let closed = self.0.store.cancel_delivery(found.id, self.0.clock.now()).await?;
        self.withdraw(&[found.id]).await;
        self.detail(Delivery { placement: Placement::Closed(closed), ..found }).await
    }

    /// A delivery's attempts, newest first.
    pub async fn attempts(&self, caller: &Caller, delivery: &str, page: Page) -> Result<Slice<AttemptDetail>> {
        caller.require(Scope::Read)?;
        let delivery = self.find_delivery(caller, delivery).await?;
        let slice = self.0.store.attempts(delivery.id, page).await?;
        let message = self.0.store.message(delivery.id.message()).await?;
        let payload = self.0.store.payload(delivery.id.message()).await?;
        let made_with = |attempt: &Attempt| (attempt.endpoint, attempt.endpoint_revision);
        let revisions = self.revisions(slice.items.iter().map(|(attempt, _)| made_with(attempt))).await?;
        let items = slice.items.into_iter().map(|(attempt, response)| {
            let settings = revisions.get(&made_with(&attempt));
            show(attempt, response, message.as_ref(), payload.clone(), settings)
        });
        Ok(Slice { items: items.collect(), next: slice.next })
    }

    /// One attempt.
    pub async fn attempt(&self, caller: &Caller, id: &str) -> Result<AttemptDetail> {
        caller.require(Scope::Read)?;
        let id: AttemptId = id.parse().map_err(|_| EngineError::NotFound("attempt"))?;
        let found = self.0.store.attempt(id).await?;
        let found = found.filter(|(attempt, _)| caller.sees(&attempt.tenant));
        let (attempt, response) = found.ok_or(EngineError::NotFound("attempt"))?;
        self.find_delivery(caller, &id.delivery().to_string()).await.map_err(|_| EngineError::NotFound("attempt"))?;
        let message = self.0.store.message(id.delivery().message()).await?;
        let payload = self.0.store.payload(id.delivery().message()).await?;
        let settings = self.0.store.endpoint_revision(attempt.endpoint, attempt.endpoint_revision).await?;
        Ok(show(attempt, response, message.as_ref(), payload, settings.as_ref()))
    }

    /// Sends a message of its own to one endpoint and answers with its first attempt.
    pub async fn test_endpoint(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        id: &str,
        if_match: Option<u32>,
    ) -> Result<AttemptDetail> {
        caller.require(Scope::Endpoints)?;
        let endpoint = self.find_endpoint_at(caller, tenant, id, if_match).await?;
        if !endpoint.state.sends() {
            let detail = format!("the endpoint is {}: resume it first", endpoint.state.as_str());
            return Err(EngineError::Conflict { code: "endpoint_not_active", detail });
        }
        let payload = json!({"type": "posthaste.test", "endpoint_id": endpoint.id, "at": self.0.clock.now()});
        let payload =
            serde_json::value::to_raw_value(&payload).map_err(|error| EngineError::Internal(error.to_string()))?;
        let draft = Draft {
            endpoint_ids: Some(vec![endpoint.id.to_string()]),
            tenant: Some(endpoint.tenant.as_str().into()),
            payload: Some(&payload),
            ..Draft::default()
        };
        let publisher = Caller { scopes: vec![Scope::Admin], ..caller.clone() };
        let receipt = self.publish(&publisher, draft, Envelope::default()).await?;
        let longest = endpoint.settings.timeout_seconds.duration() + Duration::from_secs(5);
        self.first_attempt(receipt.id.delivery(1), longest).await
    }

    async fn first_attempt(&self, delivery: DeliveryId, longest: Duration) -> Result<AttemptDetail> {
        let deadline = Instant::now() + longest;
        let caller = Caller::admin();
        while Instant::now() < deadline {
            let page = self.attempts(&caller, &delivery.to_string(), Page::first(1)).await?;
            if let Some(attempt) = page.items.into_iter().next() {
                return Ok(attempt);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let detail = "the test message waits behind others: see its delivery";
        Err(EngineError::Busy { detail, retry_after: Duration::from_secs(5) })
    }

    /// Tenants that own anything, by name, after that one; of a tenant's key only its own.
    pub async fn tenants(&self, caller: &Caller, after: Option<&Tenant>, limit: u32) -> Result<Vec<Tenant>> {
        caller.require(Scope::Read)?;
        match &caller.tenant {
            None => Ok(self.0.store.tenants(after, limit).await?),
            Some(own) => Ok(if after.is_none_or(|after| own > after) { vec![own.clone()] } else { Vec::new() }),
        }
    }

    /// Counts, and the nodes that live.
    pub async fn stats(&self, caller: &Caller, tenant: Option<&str>) -> Result<SystemStats> {
        caller.require(Scope::Read)?;
        let tenant = caller.tenant_filter(tenant)?;
        let counts = self.0.store.stats(tenant.as_ref()).await?;
        let nodes = self.0.store.peers().await?;
        // A leader that is gone stands there until another is elected.
        let leader = self.0.store.leader().await?.map(|leader| leader.node);
        let leader = leader.filter(|leader| nodes.iter().any(|peer| peer.node == *leader));
        let may_all = caller.tenant.is_none() && caller.require(Scope::Admin).is_ok();
        Ok(SystemStats { counts, nodes, leader, server: may_all.then(|| self.server_info()) })
    }

    fn server_info(&self) -> ServerInfo {
        ServerInfo {
            now: self.0.clock.now(),
            seals_secrets: self.0.vault.seals(),
            schema_version: self.0.options.schema_version,
            allowed_networks: self.0.options.allow.networks().iter().map(ToString::to_string).collect(),
        }
    }
}

fn show(
    attempt: Attempt,
    response: Option<Capture>,
    message: Option<&Message>,
    payload: Option<Bytes>,
    settings: Option<&EndpointSettings>,
) -> AttemptDetail {
    let request = match (message, settings) {
        (Some(message), Some(settings)) => request::shown(settings, message, payload, &attempt).ok(),
        _ => None,
    };
    AttemptDetail { attempt, request, response }
}
