//! Schedules: cron expressions that publish messages.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, InputObject, Json, MaybeUndefined, Object, Result, SimpleObject};
use posthaste_core::EndpointId;
use posthaste_store::schedules::ScheduleFilter;
use serde::Serialize;

use crate::endpoints::Endpoint;
use crate::page::{self, Paged, Place, TOP};
use crate::publish::Receipt;
use crate::scalars::{AnyJson, DateTime, id, notes};
use crate::words::Missed;
use crate::{document, visit};

/// A cron expression that publishes a message each time it is due.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Schedule {
    #[graphql(skip)]
    to: Option<EndpointId>,
    id: ID,
    tenant: String,
    /// The caller's own id.
    uid: Option<String>,
    name: Option<String>,
    /// 5 or 6 fields, or `@daily` and its like.
    cron: String,
    /// An IANA zone.
    timezone: String,
    topic: Option<String>,
    endpoint_id: Option<ID>,
    payload: Option<AnyJson>,
    payload_text: Option<String>,
    payload_base64: Option<String>,
    content_type: Option<String>,
    headers: AnyJson,
    metadata: AnyJson,
    enabled: bool,
    missed: Missed,
    /// When it is due next; null: never, or not while it is not enabled.
    next_fire_at: Option<DateTime>,
    /// The last due time for which it published.
    last_fire_at: Option<DateTime>,
    /// The id that the message of the next due time will have.
    next_message_id: Option<ID>,
    /// Counts its changes.
    revision: u32,
    created_at: DateTime,
    updated_at: DateTime,
}

impl From<posthaste_core::Schedule> for Schedule {
    fn from(schedule: posthaste_core::Schedule) -> Self {
        let next_message_id = schedule.next_fire_at.map(|at| id(schedule.message_id(at)));
        let settings = schedule.settings;
        Self {
            to: settings.endpoint_id,
            id: id(schedule.id),
            tenant: schedule.tenant.into(),
            uid: schedule.uid,
            name: settings.name,
            cron: settings.cron,
            timezone: settings.timezone,
            topic: settings.topic.map(String::from),
            endpoint_id: settings.endpoint_id.map(id),
            payload: settings.payload.map(Json),
            payload_text: settings.payload_text,
            payload_base64: settings.payload_base64,
            content_type: settings.content_type,
            headers: notes(settings.headers),
            metadata: notes(settings.metadata),
            enabled: settings.enabled,
            missed: settings.missed.into(),
            next_fire_at: schedule.next_fire_at.map(DateTime),
            last_fire_at: schedule.last_fire_at.map(DateTime),
            next_message_id,
            revision: schedule.revision,
            created_at: schedule.created_at.into(),
            updated_at: schedule.updated_at.into(),
        }
    }
}

#[ComplexObject]
impl Schedule {
    /// The endpoint that it is addressed to; null if it is to none, or once that is deleted.
    async fn endpoint(&self, context: &Context<'_>) -> Result<Option<Arc<Endpoint>>> {
        match self.to {
            None => Ok(None),
            Some(endpoint) => Ok(visit::of(context).endpoint(endpoint).await?),
        }
    }
}

/// The settings of a schedule. Created: `cron`, a payload and one of `topic` and `endpointId` are needed. Changed: what
/// is not named stays.
#[derive(InputObject, Serialize)]
pub struct ScheduleSettings {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    name: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    cron: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    timezone: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    topic: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    endpoint_id: MaybeUndefined<ID>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    payload: MaybeUndefined<AnyJson>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    payload_text: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    payload_base64: MaybeUndefined<String>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    content_type: MaybeUndefined<String>,
    /// Names and values.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    headers: MaybeUndefined<AnyJson>,
    /// Names and texts.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    metadata: MaybeUndefined<AnyJson>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    enabled: MaybeUndefined<bool>,
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    missed: MaybeUndefined<Missed>,
}

/// A schedule to be made.
#[derive(InputObject, Serialize)]
pub struct ScheduleInput {
    #[graphql(flatten)]
    #[serde(flatten)]
    settings: ScheduleSettings,
    /// Whose; by default the key's tenant, else `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// The caller's own id, unique per tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

#[derive(Default)]
pub struct ScheduleQueries;

/// Reading schedules.
#[Object]
impl ScheduleQueries {
    /// Schedules.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    async fn schedules(
        &self,
        context: &Context<'_>,
        tenant: Option<String>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Schedule>>> {
        let visit = visit::of(context);
        let filter = ScheduleFilter { tenant: visit.caller.tenant_filter(tenant.as_deref())? };
        let place = Place::read("schedules", &filter, limit, TOP, cursor.as_deref())?;
        Ok(Some(place.show(visit.engine().schedules(&visit.caller, filter, place.page).await?)))
    }

    /// One schedule, by id or `uid:…`.
    async fn schedule(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Schedule>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().schedule(&visit.caller, tenant.as_deref(), &id).await?.into()))
    }
}

#[derive(Default)]
pub struct ScheduleMutations;

/// Changing schedules.
#[Object]
impl ScheduleMutations {
    /// Creates a schedule.
    async fn create_schedule(&self, context: &Context<'_>, input: ScheduleInput) -> Result<Option<Schedule>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().create_schedule(&visit.caller, document::of(&input)?).await?.into()))
    }

    /// Changes a schedule; with `ifRevision` only if that is its revision.
    async fn update_schedule(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
        change: ScheduleSettings,
        if_revision: Option<u32>,
    ) -> Result<Option<Schedule>> {
        let visit = visit::of(context);
        let (tenant, change) = (tenant.as_deref(), document::of(&change)?);
        Ok(Some(visit.engine().update_schedule(&visit.caller, tenant, &id, change, if_revision).await?.into()))
    }

    /// Removes a schedule; what it published stays.
    async fn delete_schedule(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
        if_revision: Option<u32>,
    ) -> Result<Option<bool>> {
        let visit = visit::of(context);
        visit.engine().delete_schedule(&visit.caller, tenant.as_deref(), &id, if_revision).await?;
        Ok(Some(true))
    }

    /// Publishes a schedule's message now, beside its due times.
    #[graphql(complexity = "10 + child_complexity")]
    async fn fire_schedule(&self, context: &Context<'_>, id: ID, tenant: Option<String>) -> Result<Option<Receipt>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().fire_schedule(&visit.caller, tenant.as_deref(), &id, None).await?.into()))
    }
}
