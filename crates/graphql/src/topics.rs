//! Topics: named kinds of event.

use async_graphql::{Context, InputObject, Json, MaybeUndefined, Object, Result, SimpleObject};
use posthaste_store::catalog::Force;
use serde::Serialize;

use crate::document;
use crate::page::{self, Paged, Place, TOP};
use crate::scalars::{AnyJson, DateTime};
use crate::visit;

/// A named kind of event.
#[derive(SimpleObject)]
pub struct Topic {
    /// Whose topic it is; null: common to all tenants.
    tenant: Option<String>,
    name: String,
    title: Option<String>,
    description: Option<String>,
    /// What its messages' payloads must match: JSON Schema, draft 2020-12.
    schema: Option<AnyJson>,
    /// An example payload.
    example: Option<AnyJson>,
    /// Counts its changes.
    revision: u32,
    created_at: DateTime,
    updated_at: DateTime,
}

impl From<posthaste_core::Topic> for Topic {
    fn from(topic: posthaste_core::Topic) -> Self {
        let details = topic.details;
        Self {
            tenant: topic.tenant.map(String::from),
            name: topic.name.into(),
            title: details.title,
            description: details.description,
            schema: details.schema.map(Json),
            example: details.example.map(Json),
            revision: topic.revision,
            created_at: topic.created_at.into(),
            updated_at: topic.updated_at.into(),
        }
    }
}

/// A topic to be created.
#[derive(InputObject, Serialize)]
pub struct TopicInput {
    name: String,
    /// Whose topic; without one it is common to all tenants.
    tenant: Option<String>,
    title: Option<String>,
    description: Option<String>,
    schema: Option<AnyJson>,
    example: Option<AnyJson>,
}

/// A change of a topic: what is not named stays.
#[derive(InputObject, Serialize)]
pub struct TopicChange {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    title: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    description: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    schema: MaybeUndefined<AnyJson>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    example: MaybeUndefined<AnyJson>,
}

#[derive(Default)]
pub struct TopicQueries;

/// Reading topics.
#[Object]
impl TopicQueries {
    /// Topics that a tenant sees.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    async fn topics(
        &self,
        context: &Context<'_>,
        tenant: Option<String>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Topic>>> {
        let visit = visit::of(context);
        let filters = visit.caller.tenant_filter(tenant.as_deref())?;
        let place = Place::read("topics", &filters, limit, TOP, cursor.as_deref())?;
        let slice = visit.engine().topics(&visit.caller, tenant.as_deref(), place.page).await?;
        Ok(Some(place.show(slice)))
    }

    /// One topic: the tenant's own, else the common one of that name.
    async fn topic(&self, context: &Context<'_>, name: String, tenant: Option<String>) -> Result<Option<Topic>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().topic(&visit.caller, tenant.as_deref(), &name).await?.into()))
    }
}

#[derive(Default)]
pub struct TopicMutations;

/// Changing topics.
#[Object]
impl TopicMutations {
    /// Creates a topic.
    async fn create_topic(&self, context: &Context<'_>, input: TopicInput) -> Result<Option<Topic>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().create_topic(&visit.caller, document::of(&input)?).await?.into()))
    }

    /// Changes a topic; with `ifRevision` only if that is its revision.
    async fn update_topic(
        &self,
        context: &Context<'_>,
        name: String,
        tenant: Option<String>,
        change: TopicChange,
        if_revision: Option<u32>,
    ) -> Result<Option<Topic>> {
        let visit = visit::of(context);
        let (tenant, change) = (tenant.as_deref(), document::of(&change)?);
        Ok(Some(visit.engine().update_topic(&visit.caller, tenant, &name, change, if_revision).await?.into()))
    }

    /// Removes a topic; with `force` although endpoints name it.
    async fn delete_topic(
        &self,
        context: &Context<'_>,
        name: String,
        tenant: Option<String>,
        #[graphql(default)] force: bool,
        if_revision: Option<u32>,
    ) -> Result<Option<bool>> {
        let visit = visit::of(context);
        let force = if force { Force::Yes } else { Force::No };
        visit.engine().delete_topic(&visit.caller, tenant.as_deref(), &name, force, if_revision).await?;
        Ok(Some(true))
    }
}
