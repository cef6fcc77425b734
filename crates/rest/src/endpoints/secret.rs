//! An endpoint's secrets: shown and rotated.

use axum::extract::State;
use axum::response::IntoResponse as _;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use posthaste_core::Timestamp;
use posthaste_core::secret::SigningSecrets;
use posthaste_core::signature::public_key;
use posthaste_engine::endpoints::Rotation;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::TenantQuery;
use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::MaybeJson;
use crate::etag::IfMatch;
use crate::path::Id;
use crate::query::Query;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_secret)).routes(routes!(rotate_secret))
}

/// What an endpoint's requests are signed with.
#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
struct SecretView {
    secret: String,
    /// What the Ed25519 signatures made with it are verified with, if the endpoint asks for them.
    public_key: String,
    /// Those before it that still sign, newest first.
    previous: Vec<PreviousView>,
}

/// A secret that was rotated out and still signs.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviousSecret)]
struct PreviousView {
    secret: String,
    /// It signs before this instant.
    expires_at: Timestamp,
}

fn show(secrets: &SigningSecrets) -> Answer {
    let previous = secrets.previous.iter();
    let previous = previous
        .map(|previous| PreviousView { secret: previous.secret.expose_text(), expires_at: previous.expires_at })
        .collect();
    let public_key = public_key(&secrets.current);
    let view = SecretView { secret: secrets.current.expose_text(), public_key, previous };
    let mut response = answer::json(StatusCode::OK, &view)?.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Show an endpoint's secrets
#[utoipa::path(get, path = "/v1/endpoints/{id}/secret", tag = "endpoints", params(("id" = String, Path), TenantQuery),
    responses((status = 200, description = "Its secrets", body = SecretView)))]
async fn get_secret(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
) -> Answer {
    show(&app.engine().secrets(&caller, query.tenant(), &id).await?)
}

/// Replace an endpoint's secret
///
/// The former one signs beside it until the overlap ends.
#[utoipa::path(post, path = "/v1/endpoints/{id}/rotate-secret", tag = "endpoints",
    params(("id" = String, Path), TenantQuery), request_body = Option<Rotation>,
    responses((status = 200, description = "Its secrets as they are now", body = SecretView)))]
async fn rotate_secret(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<TenantQuery>,
    IfMatch(revision): IfMatch,
    MaybeJson(body): MaybeJson,
) -> Answer {
    show(&app.engine().rotate_secret(&caller, query.tenant(), &id, body, revision).await?)
}
