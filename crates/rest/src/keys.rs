//! API keys.

use axum::extract::State;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use posthaste_core::{ApiKey, KeyId, Scope, Tenant, Timestamp};
use posthaste_engine::keys::KeyDraft;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::body::Json;
use crate::cursor::{Filter, List, Listed, PageQuery};
use crate::path::Id;
use crate::query::NoQuery;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create_key, list_keys)).routes(routes!(delete_key))
}

/// An API key, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
struct KeyView {
    id: KeyId,
    name: String,
    scopes: Vec<Scope>,
    /// The one tenant it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Tenant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, scopes, tenant, expires_at, last_used_at, created_at, .. } = key;
        Self { id, name, scopes, tenant, expires_at, last_used_at, created_at }
    }
}

/// An API key just created.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedKey)]
struct CreatedView<'a> {
    #[serde(flatten)]
    view: KeyView,
    /// The key itself: only here, only now.
    key: &'a str,
}

/// Whose keys a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    /// Only this tenant's.
    tenant: Option<Tenant>,
}
impl Filter for KeyQuery {}

/// Create a key
///
/// Its text is in this answer alone.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeyDraft,
    responses((status = 201, description = "Created", body = CreatedView)))]
async fn create_key(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    _: NoQuery,
    Json(body): Json,
) -> Answer {
    let (key, text) = app.engine().create_key(&caller, body).await?;
    let location = format!("/v1/keys/{}", key.id);
    let mut response = answer::created(&location, None, &CreatedView { view: key.into(), key: &text })?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// List keys
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(KeyQuery, PageQuery),
    responses((status = 200, description = "A page of keys", body = Listed<KeyView>)))]
async fn list_keys(State(app): State<App>, Authenticated(caller): Authenticated, list: List<KeyQuery>) -> Answer {
    let tenant = list.filter.tenant.as_ref().map(Tenant::as_str);
    let slice = app.engine().keys(&caller, tenant, list.page).await?;
    answer::json(StatusCode::OK, &list.show(slice, KeyView::from))
}

/// End a key
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = KeyId, Path)),
    responses((status = 204, description = "No node accepts it any more")))]
async fn delete_key(State(app): State<App>, Authenticated(caller): Authenticated, Id(id): Id, _: NoQuery) -> Answer {
    app.engine().delete_key(&caller, &id).await?;
    Ok(answer::no_content())
}
