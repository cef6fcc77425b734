//! What people do with topics.

use posthaste_core::id::TopicId;
use posthaste_core::topic::TopicDetails;
use posthaste_core::{Scope, Tenant, Topic, TopicName};
use posthaste_store::catalog::{Force, TopicFilter};
use posthaste_store::{Page, Slice};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::announce;
use crate::caller::Caller;
use crate::document;
use crate::error::{EngineError, FieldError, Result};
use crate::schema::Schema;
use crate::{Engine, chance, rules};

/// A topic as a caller writes it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TopicDraft {
    /// Its name.
    name: TopicName,
    /// Whose topic; without one it is common to all tenants.
    #[serde(default)]
    tenant: Option<String>,
    /// A short title.
    #[serde(default)]
    title: Option<String>,
    /// What the event means.
    #[serde(default)]
    description: Option<String>,
    /// What its messages' payloads must match: JSON Schema, draft 2020-12.
    #[serde(default)]
    schema: Option<Value>,
    /// An example payload.
    #[serde(default)]
    example: Option<Value>,
}

/// What of a topic may be changed.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TopicChange {
    /// A short title.
    #[serde(default)]
    title: Option<String>,
    /// What the event means.
    #[serde(default)]
    description: Option<String>,
    /// What its messages' payloads must match: JSON Schema, draft 2020-12.
    #[serde(default)]
    schema: Option<Value>,
    /// An example payload.
    #[serde(default)]
    example: Option<Value>,
}

impl From<TopicChange> for TopicDetails {
    fn from(change: TopicChange) -> Self {
        let TopicChange { title, description, schema, example } = change;
        Self { title, description, schema, example }
    }
}

impl Engine {
    /// Adds a topic; without a tenant to the common catalogue, which only a key for every tenant may.
    pub async fn create_topic(&self, caller: &Caller, body: Value) -> Result<Topic> {
        caller.require(Scope::Admin)?;
        let draft: TopicDraft = document::read(body, "")?;
        let tenant = topic_tenant(caller, draft.tenant.as_deref())?;
        if announce::is_own(&draft.name) {
            return Err(EngineError::invalid("/name", "topics that begin with `posthaste.` are the server's own"));
        }
        let TopicDraft { name, title, description, schema, example, .. } = draft;
        let details = TopicDetails { title, description, schema, example };
        check_details(&details)?;
        let topic = self.new_topic(tenant, name, details);
        self.0.store.create_topic(&topic).await?;
        self.catalog_changed().await?;
        Ok(topic)
    }

    fn new_topic(&self, tenant: Option<Tenant>, name: TopicName, details: TopicDetails) -> Topic {
        let now = self.0.clock.now();
        let id = TopicId::random(now, chance::bits());
        Topic { id, tenant, name, details, revision: 1, created_at: now, updated_at: now }
    }

    /// Makes a topic that was only named, where the server does so (`--auto-topics`).
    pub(crate) async fn ensure_topic(&self, tenant: &Tenant, name: &TopicName) -> Result<()> {
        if !self.0.options.auto_topics || announce::is_own(name) {
            return Ok(());
        }
        let (view, _) = self.0.catalog.view(tenant).await?;
        if view.topic(name).is_some() {
            return Ok(());
        }
        let topic = self.new_topic(None, name.clone(), TopicDetails::default());
        match self.0.store.create_topic(&topic).await {
            Ok(()) | Err(posthaste_store::StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.catalog_changed().await?;
        Ok(())
    }

    /// Topics, newest first: all that the caller's tenant (or the one named) sees.
    pub async fn topics(&self, caller: &Caller, tenant: Option<&str>, page: Page) -> Result<Slice<Topic>> {
        caller.require(Scope::Read)?;
        let visible_to = caller.tenant_filter(tenant)?;
        Ok(self.0.store.topics(&TopicFilter { visible_to }, page).await?)
    }

    /// One topic: the tenant's own, else the common one of that name.
    pub async fn topic(&self, caller: &Caller, tenant: Option<&str>, name: &str) -> Result<Topic> {
        caller.require(Scope::Read)?;
        self.find_topic(caller, tenant, name).await
    }

    async fn find_topic(&self, caller: &Caller, tenant: Option<&str>, name: &str) -> Result<Topic> {
        let name: TopicName = name.parse().map_err(|_| EngineError::NotFound("topic"))?;
        if let Some(tenant) = caller.tenant_filter(tenant)?
            && let Some(own) = self.0.store.topic(Some(&tenant), &name).await?
        {
            return Ok(own);
        }
        self.0.store.topic(None, &name).await?.ok_or(EngineError::NotFound("topic"))
    }

    /// Changes a topic by a JSON Merge Patch.
    pub async fn update_topic(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        name: &str,
        patch: Value,
        if_match: Option<u32>,
    ) -> Result<Topic> {
        caller.require(Scope::Admin)?;
        let mut topic = self.find_topic(caller, tenant, name).await?;
        may_change(caller, &topic)?;
        if if_match.is_some_and(|revision| revision != topic.revision) {
            return Err(EngineError::PreconditionFailed);
        }
        let details = &topic.details;
        let now = TopicChange {
            title: details.title.clone(),
            description: details.description.clone(),
            schema: details.schema.clone(),
            example: details.example.clone(),
        };
        let mut document = serde_json::to_value(now).map_err(|error| EngineError::Internal(error.to_string()))?;
        document::merge(&mut document, patch);
        topic.details = document::read::<TopicChange>(document, "")?.into();
        check_details(&topic.details)?;
        topic.revision += 1;
        topic.updated_at = self.0.clock.now();
        self.0.store.update_topic(&topic).await?;
        self.catalog_changed().await?;
        Ok(topic)
    }

    /// Removes a topic; while endpoints name it only with `force`.
    pub async fn delete_topic(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        name: &str,
        force: Force,
        if_match: Option<u32>,
    ) -> Result<()> {
        caller.require(Scope::Admin)?;
        let topic = self.find_topic(caller, tenant, name).await?;
        may_change(caller, &topic)?;
        if if_match.is_some_and(|revision| revision != topic.revision) {
            return Err(EngineError::PreconditionFailed);
        }
        let now = self.0.clock.now();
        self.0.store.delete_topic(topic.tenant.as_ref(), &topic.name, force, now).await?;
        self.catalog_changed().await?;
        Ok(())
    }
}

fn topic_tenant(caller: &Caller, named: Option<&str>) -> Result<Option<Tenant>> {
    match (named, &caller.tenant) {
        (None, None) => Ok(None),
        _ => caller.tenant_for(named).map(Some),
    }
}

/// The common catalogue is everybody's: a key for one tenant may read it, not change it.
fn may_change(caller: &Caller, topic: &Topic) -> Result<()> {
    if caller.tenant.is_some() && topic.tenant.is_none() {
        return Err(EngineError::Forbidden("this topic is common to all tenants; this key is for one".to_owned()));
    }
    Ok(())
}

fn check_details(details: &TopicDetails) -> Result<()> {
    let mut errors: Vec<FieldError> = Vec::new();
    rules::short_text("/title", details.title.as_deref(), 255, &mut errors);
    if details.description.as_ref().is_some_and(|text| text.len() > 8_192 || text.contains('\0')) {
        errors.push(FieldError::new("/description", "use at most 8192 bytes without NUL characters"));
    }
    if details.example.as_ref().is_some_and(|example| example.to_string().len() > 65_536) {
        errors.push(FieldError::new("/example", "use at most 64 KiB"));
    }
    if let Some(Err(error)) = details.schema.as_ref().map(Schema::compile) {
        errors.push(FieldError::new(format!("/schema{}", error.pointer), error.detail));
    }
    if errors.is_empty() { Ok(()) } else { Err(EngineError::Invalid(errors)) }
}
