//! The state of the whole system, and erasures.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use posthaste_core::Tenant;
use posthaste_core::id::NodeId;
use posthaste_engine::deliveries::{ServerInfo, SystemStats};
use posthaste_store::Peer;
use posthaste_store::jobs::Job;
use serde::Serialize;

use crate::page::{self, TOP};
use crate::scalars::{AnyJson, DateTime, id, read};
use crate::words::JobState;
use crate::{document, visit};

/// Counts, each up to a cap of 10000, and the nodes that live.
#[derive(SimpleObject)]
pub struct Stats {
    /// Registered endpoints.
    endpoints: u64,
    /// Deliveries that are owed: those that wait and those on their way for the first time.
    backlog: u64,
    /// Deliveries that wait for a retry, their hour or their turn.
    waiting: u64,
    /// Dead letters.
    failed: u64,
    /// When the longest waiting delivery's message was accepted.
    oldest_pending_at: Option<DateTime>,
    nodes: Vec<Node>,
    /// How the node that answers is set up; only for keys that may do everything.
    server: Option<Server>,
}

/// How a node is set up.
#[derive(SimpleObject)]
pub struct Server {
    version: &'static str,
    /// The database's time.
    now: DateTime,
    /// Whether endpoint secrets are sealed in the database.
    seals_secrets: bool,
    /// The version of the database's schema.
    schema_version: Option<i64>,
    /// Networks that may be sent to although they are not public.
    allowed_networks: Vec<String>,
}

impl From<ServerInfo> for Server {
    fn from(info: ServerInfo) -> Self {
        let ServerInfo { now, seals_secrets, schema_version, allowed_networks } = info;
        Self { version: env!("CARGO_PKG_VERSION"), now: now.into(), seals_secrets, schema_version, allowed_networks }
    }
}

/// A process that runs.
#[derive(SimpleObject)]
pub struct Node {
    id: ID,
    roles: Vec<String>,
    /// Whether it leads: it fires the schedules.
    leader: bool,
    heartbeat_at: DateTime,
    version: String,
}

impl Node {
    fn new(peer: Peer, leader: Option<NodeId>) -> Self {
        Self {
            leader: leader == Some(peer.node),
            id: id(peer.node),
            roles: peer.info.roles,
            heartbeat_at: peer.heartbeat_at.into(),
            version: peer.info.version,
        }
    }
}

impl From<SystemStats> for Stats {
    fn from(stats: SystemStats) -> Self {
        let SystemStats { counts, nodes, leader, server } = stats;
        Self {
            endpoints: counts.endpoints,
            backlog: counts.waiting + counts.in_batches,
            waiting: counts.waiting,
            failed: counts.failed,
            oldest_pending_at: counts.oldest_pending_at.map(DateTime),
            nodes: nodes.into_iter().map(|node| Node::new(node, leader)).collect(),
            server: server.map(Server::from),
        }
    }
}

/// What is to be erased: exactly one of `tenant`, `topic`, `endpointId`, `messageId`, `deliveryId`, `metadata`; beside
/// `topic` and `metadata` a tenant is a bound.
#[derive(InputObject, Serialize)]
pub struct ErasureInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<ID>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<ID>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<ID>,
    /// Messages with all of these notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<AnyJson>,
    /// Only what was accepted before; by default now.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<DateTime>,
}

/// An erasure under way.
#[derive(SimpleObject)]
pub struct Erasure {
    id: ID,
    /// Whose things it erases; null: every tenant's.
    tenant: Option<String>,
    state: JobState,
    /// How many things it found to erase.
    matched: u64,
    /// How many it has erased.
    erased: u64,
    created_at: DateTime,
}

impl From<Job> for Erasure {
    fn from(job: Job) -> Self {
        Self {
            id: id(job.id),
            tenant: job.tenant.map(String::from),
            state: job.state.into(),
            matched: job.matched,
            erased: job.done,
            created_at: job.created_at.into(),
        }
    }
}

#[derive(Default)]
pub struct SystemQueries;

/// Reading the system's state.
#[Object]
impl SystemQueries {
    /// Counts, backlog and nodes; one tenant's or all.
    #[graphql(complexity = "10 + child_complexity")]
    async fn stats(&self, context: &Context<'_>, tenant: Option<String>) -> Result<Option<Stats>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().stats(&visit.caller, tenant.as_deref()).await?.into()))
    }

    /// Tenants that own anything, by name; the next page begins after the last name of this one.
    #[graphql(complexity = "page::cost(limit, TOP, 1)")]
    async fn tenants(
        &self,
        context: &Context<'_>,
        after: Option<String>,
        limit: Option<u32>,
    ) -> Result<Option<Vec<String>>> {
        let visit = visit::of(context);
        let limit = page::limit(limit, TOP)?;
        let after = read::<Tenant>("after", after.as_deref())?;
        let tenants = visit.engine().tenants(&visit.caller, after.as_ref(), limit).await?;
        Ok(Some(tenants.into_iter().map(String::from).collect()))
    }
}

#[derive(Default)]
pub struct SystemMutations;

/// Erasing.
#[Object]
impl SystemMutations {
    /// Erases messages or deliveries: no read shows any more what goes; it is removed step by step.
    async fn erase(&self, context: &Context<'_>, input: ErasureInput) -> Result<Option<Erasure>> {
        let visit = visit::of(context);
        Ok(Some(visit.engine().start_erasure(&visit.caller, document::of(&input)?).await?.into()))
    }
}
