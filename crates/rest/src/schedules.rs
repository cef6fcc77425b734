//! Schedules: cron expressions that publish messages.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::schedule::ScheduleSettings;
use posthaste_core::{MessageId, Schedule, ScheduleId, Tenant, Timestamp};
use posthaste_store::schedules::ScheduleFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::{Json, NoBody, Patch};
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::endpoints::TenantQuery;
use crate::etag::{IfMatch, IfNoneMatch};
use crate::messages::ReceiptView;
use crate::openapi::ScheduleChange;
use crate::path::Id;
use crate::query::{NoQuery, Query};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_schedule, list_schedules))
        .routes(routes!(get_schedule, update_schedule, delete_schedule))
        .routes(routes!(fire_schedule))
}

/// A cron expression that publishes a message each time it is due.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
struct ScheduleView {
    id: ScheduleId,
    tenant: Tenant,
    /// The caller's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(flatten)]
    settings: ScheduleSettings,
    /// When it is due next; null: never, or not while it is not enabled.
    next_fire_at: Option<Timestamp>,
    /// The last due time for which it published.
    last_fire_at: Option<Timestamp>,
    /// The id that the message of the next due time will have.
    next_message_id: Option<MessageId>,
    /// Counts its changes; the ETag.
    revision: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> Self {
        let next_message_id = schedule.next_fire_at.map(|at| schedule.message_id(at));
        Self {
            id: schedule.id,
            tenant: schedule.tenant,
            uid: schedule.uid,
            settings: schedule.settings,
            next_fire_at: schedule.next_fire_at,
            last_fire_at: schedule.last_fire_at,
            next_message_id,
            revision: schedule.revision,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

/// A schedule to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; the engine reads it")]
struct ScheduleDraft {
    #[schema(inline)]
    #[serde(flatten)]
    settings: ScheduleSettings,
    /// Whose schedule; by default the key's tenant, else `default`.
    tenant: Option<Tenant>,
    /// The caller's own id, unique per tenant; `uid:x` works wherever an id does.
    #[schema(min_length = 1, max_length = 255)]
    uid: Option<String>,
}

/// Which schedules a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ScheduleQuery {
    /// Only this tenant's.
    tenant: Option<Tenant>,
}
impl Filter for ScheduleQuery {}

/// Create a schedule
#[utoipa::path(post, path = "/v1/schedules", tag = "schedules", request_body = ScheduleDraft,
    responses((status = 201, description = "Created", body = ScheduleView)))]
async fn create_schedule(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let schedule = app.engine().create_schedule(&caller, body).await?;
    let (location, revision) = (format!("/v1/schedules/{}", schedule.id), schedule.revision);
    answer::created(&location, Some(revision), &ScheduleView::from(schedule))
}

/// List schedules
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", params(ScheduleQuery, PageQuery),
    responses((status = 200, description = "A page of schedules", body = Listed<ScheduleView>)))]
async fn list_schedules(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    list: List<ScheduleQuery>,
) -> Answer {
    let tenant = caller.tenant_filter(list.filter.tenant.as_ref().map(Tenant::as_str))?;
    let slice = app.engine().schedules(&caller, ScheduleFilter { tenant }, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, ScheduleView::from))
}

/// Read a schedule
#[utoipa::path(get, path = "/v1/schedules/{id}", tag = "schedules", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The schedule", body = ScheduleView)))]
async fn get_schedule(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    known: IfNoneMatch,
) -> Answer {
    let schedule = app.engine().schedule(&caller, query.tenant(), &id).await?;
    // Each firing changes what is shown, but is no change of the caller's: the revision alone would hide it.
    answer::read(&known, None, &ScheduleView::from(schedule))
}

/// Change a schedule
#[utoipa::path(patch, path = "/v1/schedules/{id}", tag = "schedules", params(("id" = String, Path), TenantQuery),
    request_body(content = ScheduleChange, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The schedule as it is now", body = ScheduleView)))]
async fn update_schedule(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    Patch(patch): Patch,
) -> Answer {
    let schedule = app.engine().update_schedule(&caller, query.tenant(), &id, patch, revision).await?;
    answer::revised(StatusCode::OK, schedule.revision, &ScheduleView::from(schedule))
}

/// Remove a schedule
#[utoipa::path(delete, path = "/v1/schedules/{id}", tag = "schedules", params(("id" = String, Path), TenantQuery),
    responses((status = 204, description = "Removed; what it published stays")))]
async fn delete_schedule(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
) -> Answer {
    app.engine().delete_schedule(&caller, query.tenant(), &id, revision).await?;
    Ok(answer::no_content())
}

/// Fire a schedule
///
/// Publishes its message now, beside its due times.
#[utoipa::path(post, path = "/v1/schedules/{id}/fire", tag = "schedules", params(("id" = String, Path), TenantQuery),
    responses((status = 202, description = "Accepted and stored", body = ReceiptView)))]
async fn fire_schedule(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    _: NoBody,
) -> Answer {
    let receipt = app.engine().fire_schedule(&caller, query.tenant(), &id, revision).await?;
    answer::json(StatusCode::ACCEPTED, &ReceiptView::from(receipt))
}
