//! Replays: an endpoint's past, sent (again).

use axum::extract::State;
use http::StatusCode;
use posthaste_core::{EndpointId, ReplayId, Tenant, Timestamp};
use posthaste_engine::replays::{Replay, ReplayDraft, ReplayFilter};
use posthaste_store::jobs::{JobFilter, JobState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::{MaybeJson, NoBody};
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::endpoints::TenantQuery;
use crate::etag::{IfMatch, IfNoneMatch};
use crate::path::Id;
use crate::query::{NoQuery, Query};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start_replay))
        .routes(routes!(list_replays))
        .routes(routes!(get_replay))
        .routes(routes!(cancel_replay))
}

/// An endpoint's past, being sent (again).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replay)]
struct ReplayView {
    id: ReplayId,
    endpoint_id: Option<EndpointId>,
    /// What is sent.
    filter: ReplayFilter,
    state: ReplayState,
    /// How many messages it found to send.
    matched: u64,
    /// How many it has put into the queue.
    sent: u64,
    created_at: Timestamp,
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        let Replay { job, filter } = replay;
        Self {
            id: job.id,
            endpoint_id: job.endpoint,
            filter,
            state: job.state.into(),
            matched: job.matched,
            sent: job.done,
            created_at: job.created_at,
        }
    }
}

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    /// It has further steps.
    Running,
    /// It came to its end.
    Done,
    /// Somebody stopped it.
    Cancelled,
}

impl From<JobState> for ReplayState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Running => Self::Running,
            JobState::Done => Self::Done,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<ReplayState> for JobState {
    fn from(state: ReplayState) -> Self {
        match state {
            ReplayState::Running => Self::Running,
            ReplayState::Done => Self::Done,
            ReplayState::Cancelled => Self::Cancelled,
        }
    }
}

/// Which replays a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ReplayQuery {
    /// Only this tenant's.
    tenant: Option<Tenant>,
    /// Only to this endpoint.
    endpoint_id: Option<EndpointId>,
    /// Only in this state.
    state: Option<ReplayState>,
}
impl Filter for ReplayQuery {}

/// Send an endpoint's past (again)
///
/// Its dead letters, what it missed, what it got, or all of it.
#[utoipa::path(post, path = "/v1/endpoints/{id}/replay", tag = "replays", params(("id" = String, Path), TenantQuery),
    request_body = Option<ReplayDraft>,
    responses((status = 202, description = "The replay, which goes on by itself", body = ReplayView)))]
async fn start_replay(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    MaybeJson(body): MaybeJson,
) -> Answer {
    let replay = app.engine().start_replay(&caller, query.tenant(), &id, body, revision).await?;
    answer::started(&format!("/v1/replays/{}", replay.job.id), &ReplayView::from(replay))
}

/// List replays
#[utoipa::path(get, path = "/v1/replays", tag = "replays", params(ReplayQuery, PageQuery),
    responses((status = 200, description = "A page of replays", body = Listed<ReplayView>)))]
async fn list_replays(State(app): State<App>, Authenticated(caller): Authenticated, list: List<ReplayQuery>) -> Answer {
    let tenant = caller.tenant_filter(list.filter.tenant.as_ref().map(Tenant::as_str))?;
    let ReplayQuery { endpoint_id, state, .. } = list.filter;
    let filter = JobFilter { kind: None, tenant, endpoint: endpoint_id, state: state.map(JobState::from) };
    let slice = app.engine().replays(&caller, filter, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, ReplayView::from))
}

/// Read a replay
#[utoipa::path(get, path = "/v1/replays/{id}", tag = "replays", params(("id" = ReplayId, Path)),
    responses((status = 200, description = "The replay", body = ReplayView)))]
async fn get_replay(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    _: NoQuery,
    known: IfNoneMatch,
) -> Answer {
    answer::read(&known, None, &ReplayView::from(app.engine().replay(&caller, &id).await?))
}

/// Stop a replay
///
/// What it has put into the queue stays there.
#[utoipa::path(post, path = "/v1/replays/{id}/cancel", tag = "replays", params(("id" = ReplayId, Path)),
    responses((status = 200, description = "The replay as it is now", body = ReplayView)))]
async fn cancel_replay(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    _: NoQuery,
    _: NoBody,
) -> Answer {
    answer::json(StatusCode::OK, &ReplayView::from(app.engine().cancel_replay(&caller, &id).await?))
}
