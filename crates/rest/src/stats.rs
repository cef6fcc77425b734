//! The state of the whole system.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::id::NodeId;
use posthaste_core::{Tenant, Timestamp};
use posthaste_engine::deliveries::SystemStats;
use posthaste_store::Peer;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::answer::{self, Answer};
use crate::auth::Authenticated;
use crate::query::Query;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_stats))
}

/// Whose numbers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StatsQuery {
    /// Only this tenant's; by default the key's.
    tenant: Option<Tenant>,
}

/// Counts, each up to a cap of 10000, and the nodes that live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
struct StatsView {
    /// Registered endpoints.
    endpoints: u64,
    /// Deliveries that are owed: those that wait and those on their way for the first time.
    backlog: u64,
    /// Deliveries that wait for a retry, their hour or their turn.
    waiting: u64,
    /// Dead letters.
    failed: u64,
    /// When the longest waiting delivery's message was accepted.
    oldest_pending_at: Option<Timestamp>,
    nodes: Vec<NodeView>,
}

/// A process that runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
struct NodeView {
    id: NodeId,
    roles: Vec<String>,
    heartbeat_at: Timestamp,
    version: String,
}

impl From<Peer> for NodeView {
    fn from(peer: Peer) -> Self {
        Self { id: peer.node, roles: peer.info.roles, heartbeat_at: peer.heartbeat_at, version: peer.info.version }
    }
}

impl From<SystemStats> for StatsView {
    fn from(stats: SystemStats) -> Self {
        let SystemStats { counts, nodes } = stats;
        Self {
            endpoints: counts.endpoints,
            backlog: counts.waiting + counts.in_batches,
            waiting: counts.waiting,
            failed: counts.failed,
            oldest_pending_at: counts.oldest_pending_at,
            nodes: nodes.into_iter().map(NodeView::from).collect(),
        }
    }
}

/// Show the state of the system
#[utoipa::path(get, path = "/v1/stats", tag = "system", params(StatsQuery),
    responses((status = 200, description = "Counts and nodes", body = StatsView)))]
async fn get_stats(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Query(query): Query<StatsQuery>,
) -> Answer {
    let stats = app.engine().stats(&caller, query.tenant.as_ref().map(Tenant::as_str)).await?;
    answer::json(StatusCode::OK, &StatsView::from(stats))
}
