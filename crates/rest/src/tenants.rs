//! Tenants: they have no record of their own, they are named by what they own.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::Tenant;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::problem::Problem;
use crate::query::Query;

/// The items of a page unless the caller says otherwise.
const DEFAULT_LIMIT: u32 = 50;
/// The most items of a page.
const MAX_LIMIT: u32 = 250;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_tenants))
}

/// Where a page begins. Tenants are listed by name, so a cursor is one.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TenantsQuery {
    /// How many items at the most.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before; without it the first.
    cursor: Option<Tenant>,
}

/// A tenant that owns anything.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantEntry)]
struct TenantView {
    name: String,
}

/// One page of tenants.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenants)]
struct TenantsView {
    /// By name.
    data: Vec<TenantView>,
    /// The `cursor` of the next page; null: this was the last.
    next_cursor: Option<String>,
}

/// List tenants
///
/// Those that own anything: topics, endpoints, messages, schedules or keys.
#[utoipa::path(get, path = "/v1/tenants", tag = "system", params(TenantsQuery),
    responses((status = 200, description = "A page of tenants", body = TenantsView)))]
async fn list_tenants(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(query): Query<TenantsQuery>,
) -> Answer {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::parameter("limit", format!("use 1 to {MAX_LIMIT}")));
    }
    let tenants = app.engine().tenants(&caller, query.cursor.as_ref(), limit).await?;
    let is_full = u32::try_from(tenants.len()).is_ok_and(|count| count == limit);
    let next_cursor = tenants.last().filter(|_| is_full).map(|tenant| tenant.as_str().to_owned());
    let data = tenants.iter().map(|tenant| TenantView { name: tenant.as_str().to_owned() }).collect();
    answer::json(StatusCode::OK, &TenantsView { data, next_cursor })
}
