//! Endpoints: URLs that want messages, with their policies.

mod secret;
mod stats;
mod verbs;
mod verification;

use axum::extract::State;
use http::StatusCode;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{Endpoint, EndpointId, EndpointState, Tenant, Timestamp, TopicName};
use posthaste_store::catalog::EndpointFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::{Json, Patch};
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::etag::{IfMatch, IfNoneMatch};
use crate::openapi::EndpointChange;
use crate::path::Id;
use crate::query::{NoQuery, Query};

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_endpoint, list_endpoints))
        .routes(routes!(get_endpoint, update_endpoint, delete_endpoint))
        .merge(verbs::routes())
        .merge(secret::routes())
        .merge(stats::routes())
        .merge(verification::routes())
}

/// A URL that wants messages, with its policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Endpoint)]
pub struct EndpointView {
    id: EndpointId,
    tenant: Tenant,
    /// The caller's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    /// Made from a `urls` member of a message rather than registered.
    adhoc: bool,
    #[serde(flatten)]
    settings: EndpointSettings,
    state: EndpointState,
    /// Why it is in that state, where there is something to say.
    state_reason: Option<String>,
    /// Counts its changes; the ETag.
    revision: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            tenant: endpoint.tenant,
            uid: endpoint.uid,
            adhoc: endpoint.adhoc,
            settings: endpoint.settings,
            state: endpoint.state,
            state_reason: endpoint.state_reason,
            revision: endpoint.revision,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// An endpoint just created, with its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedEndpoint)]
struct CreatedView {
    #[serde(flatten)]
    endpoint: EndpointView,
    /// What its requests are signed with.
    secret: String,
}

/// An endpoint to be registered.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; the engine reads it")]
struct EndpointDraft {
    #[schema(inline)]
    #[serde(flatten)]
    settings: EndpointSettings,
    /// Whose endpoint; by default the key's tenant, else `default`.
    tenant: Option<Tenant>,
    /// The caller's own id, unique per tenant; `uid:x` works wherever an id does.
    #[schema(min_length = 1, max_length = 255)]
    uid: Option<String>,
    /// `whsec_…` or any text of 1 to 256 bytes; without one it is made.
    secret: Option<String>,
}

/// Whose endpoint is meant, where it is named by `uid:…`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TenantQuery {
    /// The tenant in which a `uid:…` is looked up; by default the key's, else `default`.
    tenant: Option<Tenant>,
}

impl TenantQuery {
    /// The tenant as the engine takes it.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_ref().map(Tenant::as_str)
    }
}

/// Which endpoints a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EndpointQuery {
    /// Only this tenant's.
    tenant: Option<Tenant>,
    /// Only those that want this topic.
    topic: Option<TopicName>,
    /// Only those in this state.
    state: Option<EndpointState>,
    /// Those that were made from a message's `urls`, instead of the registered ones.
    #[serde(default)]
    adhoc: bool,
}
impl Filter for EndpointQuery {}

/// Register an endpoint
///
/// The answer carries the secret; later it is at `…/secret`.
#[utoipa::path(post, path = "/v1/endpoints", tag = "endpoints", request_body = EndpointDraft,
    responses((status = 201, description = "Registered", body = CreatedView)))]
async fn create_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let (endpoint, secrets) = app.engine().create_endpoint(&caller, body).await?;
    let (location, revision) = (format!("/v1/endpoints/{}", endpoint.id), endpoint.revision);
    let view = CreatedView { endpoint: endpoint.into(), secret: secrets.current.expose_text() };
    answer::created(&location, Some(revision), &view)
}

/// List endpoints
#[utoipa::path(get, path = "/v1/endpoints", tag = "endpoints", params(EndpointQuery, PageQuery),
    responses((status = 200, description = "A page of endpoints", body = Listed<EndpointView>)))]
async fn list_endpoints(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    list: List<EndpointQuery>,
) -> Answer {
    let tenant = caller.tenant_filter(list.filter.tenant.as_ref().map(Tenant::as_str))?;
    let EndpointQuery { topic, state, adhoc, .. } = &list.filter;
    let filter = EndpointFilter { tenant, topic: topic.clone(), state: *state, adhoc: *adhoc };
    let slice = app.engine().endpoints(&caller, filter, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, EndpointView::from))
}

/// Read an endpoint
#[utoipa::path(get, path = "/v1/endpoints/{id}", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The endpoint", body = EndpointView)))]
async fn get_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    known: IfNoneMatch,
) -> Answer {
    let endpoint = app.engine().endpoint(&caller, query.tenant(), &id).await?;
    answer::read(&known, Some(endpoint.revision), &EndpointView::from(endpoint))
}

/// Change an endpoint
#[utoipa::path(patch, path = "/v1/endpoints/{id}", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    request_body(content = EndpointChange, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The endpoint as it is now", body = EndpointView)))]
async fn update_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    Patch(patch): Patch,
) -> Answer {
    let endpoint = app.engine().update_endpoint(&caller, query.tenant(), &id, patch, revision).await?;
    answer::revised(StatusCode::OK, endpoint.revision, &EndpointView::from(endpoint))
}

/// Remove an endpoint
#[utoipa::path(delete, path = "/v1/endpoints/{id}", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    responses((status = 204, description = "Removed; what waited for it ends as cancelled")))]
async fn delete_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
) -> Answer {
    app.engine().delete_endpoint(&caller, query.tenant(), &id, revision).await?;
    Ok(answer::no_content())
}
