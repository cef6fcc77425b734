//! Bringing back the token of a challenge, or asking for a new one.

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use posthaste_core::{Endpoint, EndpointId, EndpointState, Tenant};
use posthaste_engine::{EngineError, document};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::EndpointView;
use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::MaybeJson;
use crate::etag::IfMatch;
use crate::path::Id;
use crate::problem::Problem;
use crate::query::Query;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify_endpoint, verify_endpoint_by_link))
}

/// A token, as the callback of the `CloudEvents` handshake carries it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct VerifyQuery {
    /// The token of the challenge.
    token: Option<String>,
    /// The tenant in which a `uid:…` is looked up; only with a key.
    tenant: Option<Tenant>,
}

/// A token that is brought back; without one, a new challenge is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VerifyDraft {
    /// The token that the challenge carried.
    #[serde(default)]
    token: Option<String>,
}

/// What whoever brought the token learns; they need no key, so they see no settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VerifiedEndpoint)]
struct VerifiedView {
    id: EndpointId,
    url: String,
    state: EndpointState,
}

impl From<Endpoint> for VerifiedView {
    fn from(endpoint: Endpoint) -> Self {
        Self { id: endpoint.id, url: endpoint.settings.url, state: endpoint.state }
    }
}

/// The caller if there is a token of the challenge or not, and the permitted rate of a handshake.
struct Evidence {
    caller: Result<Authenticated, Problem>,
    rate: Option<String>,
}

impl FromRequestParts<App> for Evidence {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let rate = parts.headers.get("webhook-allowed-rate").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Self { caller: Authenticated::from_request_parts(parts, app).await, rate })
    }
}

/// Verify an endpoint
///
/// With the token of the challenge no key is needed. Without a token, with a key: sends a new challenge.
#[utoipa::path(post, path = "/v1/endpoints/{id}/verify", tag = "endpoints", security((), ("key" = [])),
    params(("id" = String, Path), VerifyQuery), request_body = Option<VerifyDraft>, responses(
    (status = 200, description = "The endpoint gets messages now", body = VerifiedView),
    (status = 202, description = "A new challenge is on its way", body = EndpointView)))]
async fn verify_endpoint(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<VerifyQuery>,
    evidence: Evidence,
    IfMatch(revision): IfMatch,
    MaybeJson(body): MaybeJson,
) -> Answer {
    let body: VerifyDraft = document::read(body, "")?;
    let token = match (query.token, body.token) {
        (Some(link), Some(member)) if link != member => {
            return Err(EngineError::invalid("/token", "the parameter and the member are two different tokens").into());
        }
        (link, member) => member.or(link),
    };
    if let Some(token) = token {
        return verified(&app, &id, &token, evidence.rate.as_deref()).await;
    }
    let Authenticated(caller) = evidence.caller?;
    let tenant = query.tenant.as_ref().map(Tenant::as_str);
    let endpoint = app.engine().challenge_endpoint(&caller, tenant, &id, revision).await?;
    answer::revised(StatusCode::ACCEPTED, endpoint.revision, &EndpointView::from(endpoint))
}

/// Verify an endpoint by following a link
///
/// The callback of the `CloudEvents` handshake.
#[utoipa::path(get, path = "/v1/endpoints/{id}/verify", tag = "endpoints", security(()),
    params(("id" = String, Path), VerifyQuery),
    responses((status = 200, description = "The endpoint gets messages now", body = VerifiedView)))]
async fn verify_endpoint_by_link(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<VerifyQuery>,
    evidence: Evidence,
) -> Answer {
    let token = query.token.ok_or_else(|| Problem::parameter("token", "this parameter is needed"))?;
    verified(&app, &id, &token, evidence.rate.as_deref()).await
}

async fn verified(app: &App, id: &str, token: &str, rate: Option<&str>) -> Result<Response, Problem> {
    let endpoint = app.engine().verify_endpoint(id, token, rate).await?;
    answer::json(StatusCode::OK, &VerifiedView::from(endpoint))
}
