//! The state of the whole system.

use axum::extract::State;
use http::StatusCode;
use posthaste_core::id::NodeId;
use posthaste_core::{Tenant, Timestamp};
use posthaste_engine::deliveries::{ServerInfo, SystemStats};
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
    /// How the node that answers is set up; only for keys that may do everything.
    server: Option<ServerView>,
}

/// How a node is set up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Server)]
struct ServerView {
    version: &'static str,
    /// The database's time.
    now: Timestamp,
    /// Whether endpoint secrets are sealed in the database.
    seals_secrets: bool,
    /// The version of the database's schema.
    schema_version: Option<i64>,
    /// Networks that may be sent to although they are not public.
    allowed_networks: Vec<String>,
}

impl From<ServerInfo> for ServerView {
    fn from(info: ServerInfo) -> Self {
        let ServerInfo { now, seals_secrets, schema_version, allowed_networks } = info;
        Self { version: env!("CARGO_PKG_VERSION"), now, seals_secrets, schema_version, allowed_networks }
    }
}

/// A process that runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
struct NodeView {
    id: NodeId,
    roles: Vec<String>,
    /// Whether it leads: it fires the schedules.
    leader: bool,
    heartbeat_at: Timestamp,
    version: String,
}

impl NodeView {
    fn new(peer: Peer, leader: Option<NodeId>) -> Self {
        Self {
            id: peer.node,
            roles: peer.info.roles,
            leader: leader == Some(peer.node),
            heartbeat_at: peer.heartbeat_at,
            version: peer.info.version,
        }
    }
}

impl From<SystemStats> for StatsView {
    fn from(stats: SystemStats) -> Self {
        let SystemStats { counts, nodes, leader, server } = stats;
        Self {
            endpoints: counts.endpoints,
            backlog: counts.waiting + counts.in_batches,
            waiting: counts.waiting,
            failed: counts.failed,
            oldest_pending_at: counts.oldest_pending_at,
            nodes: nodes.into_iter().map(|node| NodeView::new(node, leader)).collect(),
            server: server.map(ServerView::from),
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
