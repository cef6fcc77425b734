//! How an endpoint has been doing.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::{Span, Tenant, Timestamp};
use posthaste_engine::statistics::{EndpointStats, Percentiles};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::path::Id;
use crate::query::Query;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_endpoint_stats))
}

/// How far back the numbers look.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StatsQuery {
    /// The tenant in which a `uid:…` is looked up; by default the key's, else `default`.
    tenant: Option<Tenant>,
    /// How far back, in seconds; 86400 by default.
    window_seconds: Option<Span>,
}

/// An endpoint's last hours in numbers, from a bounded number of its newest attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndpointStats)]
struct StatsView {
    window_seconds: f64,
    /// Deliveries that succeeded.
    succeeded: u64,
    /// Deliveries that ended failed.
    failed: u64,
    /// Deliveries that wait now.
    pending: u64,
    /// When the longest waiting delivery's message was accepted.
    oldest_pending_at: Option<Timestamp>,
    /// Exchanges, successful or not.
    attempts: u64,
    /// The part of the exchanges that succeeded; null if there were none.
    success_rate: Option<f64>,
    duration_ms: Option<PercentilesView>,
    /// The newest failed exchange's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// How long successful exchanges took, in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Percentiles)]
struct PercentilesView {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl From<Percentiles> for PercentilesView {
    fn from(of: Percentiles) -> Self {
        let [p50, p90, p99] = [of.p50, of.p90, of.p99].map(|duration| duration.as_secs_f64() * 1_000.0);
        Self { p50, p90, p99 }
    }
}

impl From<EndpointStats> for StatsView {
    fn from(stats: EndpointStats) -> Self {
        Self {
            window_seconds: stats.window.as_secs_f64(),
            succeeded: stats.succeeded,
            failed: stats.failed,
            pending: stats.pending,
            oldest_pending_at: stats.oldest_pending_at,
            attempts: stats.attempts,
            success_rate: stats.success_rate,
            duration_ms: stats.duration.map(PercentilesView::from),
            last_error: stats.last_error,
        }
    }
}

/// Show how an endpoint has been doing
#[utoipa::path(get, path = "/v1/endpoints/{id}/stats", tag = "endpoints", params(("id" = String, Path), StatsQuery),
    responses((status = 200, description = "Its numbers", body = StatsView)))]
async fn get_endpoint_stats(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    Query(query): Query<StatsQuery>,
) -> Answer {
    let tenant = query.tenant.as_ref().map(Tenant::as_str);
    let stats = app.engine().endpoint_stats(&caller, tenant, &id, query.window_seconds).await?;
    answer::json(StatusCode::OK, &StatsView::from(stats))
}
