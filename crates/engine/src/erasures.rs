//! Erasures: what has to go before its age, as a durable job.
//!
//! From the moment that an erasure is accepted, every node hides what it will erase; the job then removes it step by
//! step. So a reader never sees half of it.

use posthaste_core::delivery::Delivery;
use posthaste_core::{DeliveryId, EndpointId, Message, MessageId, ReplayId, Scope, Tenant, Timestamp, TopicName};
use posthaste_store::history::{DeliveryFilter, MessageFilter};
use posthaste_store::jobs::{Job, JobFilter, JobKind, JobState, Step};
use posthaste_store::relations::MANY;
use posthaste_store::{Page, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::Engine;
use crate::caller::Caller;
use crate::chance;
use crate::document;
use crate::error::{EngineError, Result};

/// How many things one step erases at the most.
const STEP: u32 = 200;

/// What a caller asks for: exactly one of the scopes.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ErasureDraft {
    /// Everything of this tenant; beside `topic` and `metadata` a bound.
    #[serde(default)]
    tenant: Option<String>,
    /// Messages of this topic.
    #[serde(default)]
    topic: Option<TopicName>,
    /// Deliveries to this endpoint.
    #[serde(default)]
    endpoint_id: Option<String>,
    /// This message.
    #[serde(default)]
    message_id: Option<String>,
    /// This delivery.
    #[serde(default)]
    delivery_id: Option<String>,
    /// Messages with all of these notes.
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    /// Only what was accepted before; by default now.
    #[serde(default)]
    before: Option<Timestamp>,
}

/// What an erasure takes; the job's `spec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    /// Which things.
    pub scope: ErasureScope,
    /// Only this tenant's; `None`: everybody's.
    #[serde(default)]
    pub tenant: Option<Tenant>,
    /// Only what was accepted before.
    pub before: Timestamp,
}

/// Which things an erasure takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureScope {
    /// Every message of the tenant.
    Tenant,
    /// Messages of a topic.
    Topic(TopicName),
    /// Deliveries to an endpoint.
    Endpoint(EndpointId),
    /// One message.
    Message(MessageId),
    /// One delivery.
    Delivery(DeliveryId),
    /// Messages with all of these notes.
    Metadata(BTreeMap<String, String>),
}

impl Erasure {
    /// Whether it takes this message as a whole.
    pub fn takes_message(&self, message: &Message) -> bool {
        if message.created_at() >= self.before || self.tenant.as_ref().is_some_and(|tenant| *tenant != message.tenant) {
            return false;
        }
        match &self.scope {
            ErasureScope::Tenant => true,
            ErasureScope::Topic(topic) => message.topic.as_ref() == Some(topic),
            ErasureScope::Message(id) => message.id == *id,
            ErasureScope::Metadata(notes) => {
                notes.iter().all(|(name, value)| message.extras.metadata.get(name) == Some(value))
            }
            ErasureScope::Endpoint(_) | ErasureScope::Delivery(_) => false,
        }
    }

    /// Whether it takes this delivery of a message that it does not take as a whole.
    pub fn takes_delivery(&self, id: DeliveryId, endpoint: EndpointId) -> bool {
        id.timestamp() < self.before
            && match &self.scope {
                ErasureScope::Endpoint(erased) => *erased == endpoint,
                ErasureScope::Delivery(erased) => *erased == id,
                _ => false,
            }
    }

    /// Whether the message itself has to be looked at to know whether a delivery of it is taken.
    fn needs_message(&self) -> bool {
        matches!(self.scope, ErasureScope::Metadata(_))
    }
}

impl Engine {
    /// Begins an erasure; when this returns, no node shows any more what it takes.
    pub async fn start_erasure(&self, caller: &Caller, body: Value) -> Result<Job> {
        caller.require(Scope::Admin)?;
        let draft: ErasureDraft = document::read(body, "")?;
        let now = self.0.clock.now();
        let (scope, tenant) = self.erasure_scope(caller, &draft).await?;
        let erasure = Erasure { scope, tenant, before: draft.before.unwrap_or(now).min(now) };
        let job = Job {
            id: ReplayId::random(now, chance::bits()),
            kind: JobKind::Erase,
            tenant: erasure.tenant.clone(),
            endpoint: None,
            spec: serde_json::to_value(&erasure).map_err(|error| EngineError::Internal(error.to_string()))?,
            state: JobState::Running,
            cursor: None,
            matched: 0,
            done: 0,
            created_at: now,
            updated_at: now,
        };
        self.0.store.create_job(&job).await?;
        self.catalog_changed_everywhere().await?;
        self.0.job_hint.notify_one();
        Ok(job)
    }

    async fn erasure_scope(&self, caller: &Caller, draft: &ErasureDraft) -> Result<(ErasureScope, Option<Tenant>)> {
        let own = caller.tenant_filter(draft.tenant.as_deref())?;
        let mut scopes = Vec::new();
        if let Some(topic) = &draft.topic {
            scopes.push((ErasureScope::Topic(topic.clone()), own.clone()));
        }
        if let Some(id) = &draft.endpoint_id {
            let endpoint = self.find_endpoint(caller, draft.tenant.as_deref(), id).await;
            let endpoint = endpoint.map_err(|_| EngineError::invalid("/endpoint_id", "there is no such endpoint"))?;
            scopes.push((ErasureScope::Endpoint(endpoint.id), Some(endpoint.tenant)));
        }
        if let Some(id) = &draft.message_id {
            let message = self.find_message(caller, draft.tenant.as_deref(), id).await;
            let message = message.map_err(|_| EngineError::invalid("/message_id", "there is no such message"))?;
            scopes.push((ErasureScope::Message(message.id), Some(message.tenant)));
        }
        if let Some(id) = &draft.delivery_id {
            let delivery = self.find_delivery(caller, id).await;
            let delivery = delivery.map_err(|_| EngineError::invalid("/delivery_id", "there is no such delivery"))?;
            scopes.push((ErasureScope::Delivery(delivery.id), Some(delivery.tenant)));
        }
        if let Some(notes) = draft.metadata.as_ref() {
            if notes.is_empty() {
                return Err(EngineError::invalid("/metadata", "name at least one member and its value"));
            }
            scopes.push((ErasureScope::Metadata(notes.clone()), own.clone()));
        }
        if scopes.is_empty() && draft.tenant.is_some() {
            scopes.push((ErasureScope::Tenant, own));
        }
        match <[_; 1]>::try_from(scopes) {
            Ok([scope]) => Ok(scope),
            Err(_) => Err(EngineError::invalid(
                "",
                "give exactly one of tenant, topic, endpoint_id, message_id, delivery_id and metadata \
                 (tenant may stand beside topic and metadata)",
            )),
        }
    }

    /// What the next step of an erasure does. Newest first; what is already gone is not met again.
    pub(crate) async fn erase_step(&self, job: &Job) -> Result<Step, StoreError> {
        let erasure: Erasure = serde_json::from_value(job.spec.clone()).map_err(StoreError::internal)?;
        let page = Page { before: job.cursor, limit: STEP };
        let until = Some(erasure.before);
        let mut step = Step { from: job.cursor, ..Step::default() };
        match &erasure.scope {
            ErasureScope::Message(id) => step.erase_messages.push(*id),
            ErasureScope::Delivery(id) => step.erase_deliveries.push(*id),
            ErasureScope::Endpoint(endpoint) => {
                let filter = DeliveryFilter { endpoint: Some(*endpoint), until, ..DeliveryFilter::default() };
                let slice = self.0.store.deliveries(&filter, page).await?;
                step.erase_deliveries.extend(slice.items.iter().map(|delivery| delivery.id));
                step.to = slice.next;
            }
            ErasureScope::Tenant | ErasureScope::Topic(_) | ErasureScope::Metadata(_) => {
                let mut filter = MessageFilter { tenant: erasure.tenant.clone(), until, ..MessageFilter::default() };
                match &erasure.scope {
                    ErasureScope::Topic(topic) => filter.topic = Some(topic.clone()),
                    ErasureScope::Metadata(notes) => {
                        filter.metadata = notes.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                    }
                    _ => {}
                }
                let slice = self.0.store.messages(&filter, page).await?;
                step.erase_messages.extend(slice.items.iter().map(|message| message.id));
                step.to = slice.next;
            }
        }
        step.last = step.to.is_none();
        step.matched = (step.erase_messages.len() + step.erase_deliveries.len()) as u64;
        // What is in some node's memory is told not to be sent; what is in flight ends, and is erased all the same.
        let now = self.0.clock.now();
        for id in &step.erase_messages {
            match self.0.store.cancel_message(*id, now).await {
                Ok(cancelled) => self.withdraw(&cancelled).await,
                Err(StoreError::NotFound | StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for id in &step.erase_deliveries {
            match self.0.store.cancel_delivery(*id, now).await {
                Ok(_) => self.withdraw(&[*id]).await,
                Err(StoreError::NotFound | StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(step)
    }

    /// Reads which erasures are under way.
    pub(crate) async fn load_erasures(&self) -> Result<(), StoreError> {
        let filter = JobFilter { kind: Some(JobKind::Erase), state: Some(JobState::Running), ..JobFilter::default() };
        let running = self.0.store.jobs(&filter, Page::first(posthaste_store::jobs::MAX_RUNNING)).await?;
        let erasures = running.items.into_iter().map(|job| serde_json::from_value(job.spec));
        let erasures: Vec<Erasure> = erasures.collect::<Result<_, _>>().map_err(StoreError::internal)?;
        *self.0.erasures.write().unwrap_or_else(std::sync::PoisonError::into_inner) = erasures.into();
        Ok(())
    }

    /// The erasures under way. A read takes them before it asks the store: one that ends in between has removed what it
    /// takes, but the read may have seen that before.
    pub(crate) fn erasures(&self) -> std::sync::Arc<[Erasure]> {
        self.0.erasures.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Leaves out the deliveries that these erasures take.
    pub(crate) async fn without_erased(
        &self,
        erasures: &[Erasure],
        mut deliveries: Vec<Delivery>,
    ) -> Result<Vec<Delivery>, StoreError> {
        if erasures.is_empty() {
            return Ok(deliveries);
        }
        deliveries.retain(|delivery| {
            !erasures.iter().any(|erasure| {
                erasure.takes_delivery(delivery.id, delivery.endpoint) || takes_by_outline(erasure, delivery)
            })
        });
        if erasures.iter().any(Erasure::needs_message) {
            let messages: BTreeSet<MessageId> = deliveries.iter().map(|delivery| delivery.id.message()).collect();
            let mut shown = HashSet::new();
            for some in messages.into_iter().collect::<Vec<_>>().chunks(MANY) {
                let found = self.0.store.messages_by_id(None, some).await?;
                shown.extend(found.iter().filter(|message| !hides(erasures, message)).map(|message| message.id));
            }
            // A message that is gone may have been erased after its delivery was read.
            deliveries.retain(|delivery| shown.contains(&delivery.id.message()));
        }
        Ok(deliveries)
    }
}

/// Whether one of these erasures takes a message.
pub(crate) fn hides(erasures: &[Erasure], message: &Message) -> bool {
    erasures.iter().any(|erasure| erasure.takes_message(message))
}

/// Whether an erasure takes a delivery's whole message, as far as the delivery itself shows.
fn takes_by_outline(erasure: &Erasure, delivery: &Delivery) -> bool {
    if delivery.id.timestamp() >= erasure.before
        || erasure.tenant.as_ref().is_some_and(|tenant| *tenant != delivery.tenant)
    {
        return false;
    }
    match &erasure.scope {
        ErasureScope::Tenant => true,
        ErasureScope::Topic(topic) => delivery.topic.as_ref() == Some(topic),
        ErasureScope::Message(id) => delivery.id.message() == *id,
        _ => false,
    }
}
