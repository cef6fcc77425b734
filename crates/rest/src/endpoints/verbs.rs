//! What is done with an endpoint: pause, resume, test.

use axum::extract::State;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{EndpointView, TenantQuery};
use crate::App;
use crate::answer::{self, Answer};
use crate::attempts::AttemptView;
use crate::auth::Authenticated;
use crate::body::NoBody;
use crate::etag::IfMatch;
use crate::path::Id;
use crate::query::Query;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(pause_endpoint)).routes(routes!(resume_endpoint)).routes(routes!(test_endpoint))
}

/// Pause an endpoint
///
/// It goes on to take deliveries, and holds them.
#[utoipa::path(post, path = "/v1/endpoints/{id}/pause", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The endpoint as it is now", body = EndpointView)))]
async fn pause_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    _: NoBody,
) -> Answer {
    let endpoint = app.engine().pause_endpoint(&caller, query.tenant(), &id, revision).await?;
    answer::revised(StatusCode::OK, endpoint.revision, &EndpointView::from(endpoint))
}

/// Resume an endpoint
///
/// What it held is sent.
#[utoipa::path(post, path = "/v1/endpoints/{id}/resume", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The endpoint as it is now", body = EndpointView)))]
async fn resume_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    _: NoBody,
) -> Answer {
    let endpoint = app.engine().resume_endpoint(&caller, query.tenant(), &id, revision).await?;
    answer::revised(StatusCode::OK, endpoint.revision, &EndpointView::from(endpoint))
}

/// Test an endpoint
///
/// Sends a message of its own to it and answers with the first attempt.
#[utoipa::path(post, path = "/v1/endpoints/{id}/test", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "The attempt, whatever came of it", body = AttemptView)))]
async fn test_endpoint(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    _: NoBody,
) -> Answer {
    let attempt = app.engine().test_endpoint(&caller, query.tenant(), &id, revision).await?;
    answer::json(StatusCode::OK, &AttemptView::from(attempt))
}
