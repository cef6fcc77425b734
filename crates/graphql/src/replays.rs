//! Replays: an endpoint's past, sent (again).

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, Result, SimpleObject};
use posthaste_core::EndpointId;
use posthaste_engine::replays::{Replay as Started, ReplayFilter as CoreFilter};
use posthaste_store::jobs::JobFilter;
use serde::Serialize;

use crate::endpoints::Endpoint;
use crate::page::{self, Paged, Place, TOP};
use crate::scalars::{DateTime, id, read};
use crate::words::{JobState, ReplayStatus};
use crate::{document, visit};

/// An endpoint's past, being sent (again).
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Replay {
    #[graphql(skip)]
    to: Option<EndpointId>,
    id: ID,
    endpoint_id: Option<ID>,
    /// What is sent.
    filter: ReplayFilter,
    state: JobState,
    /// How many messages it found to send.
    matched: u64,
    /// How many it has put into the queue.
    sent: u64,
    created_at: DateTime,
}

/// Which of an endpoint's past is sent.
#[derive(SimpleObject)]
pub struct ReplayFilter {
    /// Only messages accepted at or after.
    since: Option<DateTime>,
    /// Only messages accepted before.
    until: DateTime,
    status: ReplayStatus,
    /// Only count.
    dry_run: bool,
}

impl From<CoreFilter> for ReplayFilter {
    fn from(filter: CoreFilter) -> Self {
        Self {
            since: filter.since.map(DateTime),
            until: filter.until.into(),
            status: filter.status.into(),
            dry_run: filter.dry_run,
        }
    }
}

impl From<Started> for Replay {
    fn from(replay: Started) -> Self {
        let Started { job, filter } = replay;
        Self {
            to: job.endpoint,
            id: id(job.id),
            endpoint_id: job.endpoint.map(id),
            filter: filter.into(),
            state: job.state.into(),
            matched: job.matched,
            sent: job.done,
            created_at: job.created_at.into(),
        }
    }
}

#[ComplexObject]
impl Replay {
    /// The endpoint; null once it is deleted.
    async fn endpoint(&self, context: &Context<'_>) -> Result<Option<Arc<Endpoint>>> {
        match self.to {
            None => Ok(None),
            Some(endpoint) => Ok(visit::of(context).endpoint(endpoint).await?),
        }
    }
}

/// Which of an endpoint's past is to be sent; by default all its dead letters.
#[derive(InputObject, Serialize, Default)]
pub struct ReplayInput {
    /// Only messages accepted at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime>,
    /// Only messages accepted before; by default now.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ReplayStatus>,
    /// Only count.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

#[derive(Default)]
pub struct ReplayQueries;

/// Reading replays.
#[Object]
impl ReplayQueries {
    /// Replays.
    #[graphql(complexity = "page::cost(limit, TOP, child_complexity)")]
    async fn replays(
        &self,
        context: &Context<'_>,
        tenant: Option<String>,
        endpoint_id: Option<ID>,
        state: Option<JobState>,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> Result<Option<Paged<Replay>>> {
        let visit = visit::of(context);
        let filter = JobFilter {
            kind: None,
            tenant: visit.caller.tenant_filter(tenant.as_deref())?,
            endpoint: read("endpointId", endpoint_id.as_deref().map(String::as_str))?,
            state: state.map(Into::into),
        };
        let place = Place::read("replays", &filter, limit, TOP, cursor.as_deref())?;
        Ok(Some(place.show(visit.engine().replays(&visit.caller, filter, place.page).await?)))
    }

    /// One replay.
    async fn replay(&self, context: &Context<'_>, id: ID) -> Result<Option<Replay>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().replay(&visit.caller, &id).await?.into()))
    }
}

#[derive(Default)]
pub struct ReplayMutations;

/// Replaying.
#[Object]
impl ReplayMutations {
    /// Sends an endpoint's past (again); goes on by itself.
    async fn replay_endpoint(
        &self,
        context: &Context<'_>,
        id: ID,
        tenant: Option<String>,
        input: Option<ReplayInput>,
    ) -> Result<Option<Replay>> {
        let visit = visit::of(context);
        let body = document::of(&input.unwrap_or_default())?;
        Ok(Some(visit.engine().start_replay(&visit.caller, tenant.as_deref(), &id, body, None).await?.into()))
    }

    /// Stops a replay; what it has put into the queue stays there.
    async fn cancel_replay(&self, context: &Context<'_>, id: ID) -> Result<Option<Replay>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().cancel_replay(&visit.caller, &id).await?.into()))
    }
}
