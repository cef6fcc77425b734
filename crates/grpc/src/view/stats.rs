//! Numbers about an endpoint and about the whole, and erasures, as messages.

use posthaste_engine::deliveries::{ServerInfo, SystemStats};
use posthaste_engine::statistics::{EndpointStats, Percentiles};
use posthaste_store::Peer;
use posthaste_store::jobs::Job;

use crate::enums::Numbered as _;
use crate::{instant, proto};

/// How an endpoint has been doing.
pub fn endpoint_stats(stats: EndpointStats) -> proto::EndpointStats {
    proto::EndpointStats {
        window_seconds: stats.window.as_secs_f64(),
        succeeded: stats.succeeded,
        failed: stats.failed,
        pending: stats.pending,
        oldest_pending_at: stats.oldest_pending_at.map(instant::show),
        attempts: stats.attempts,
        success_rate: stats.success_rate,
        duration_ms: stats.duration.map(percentiles),
        last_error: stats.last_error,
    }
}

fn percentiles(of: Percentiles) -> proto::Percentiles {
    let [p50, p90, p99] = [of.p50, of.p90, of.p99].map(|duration| duration.as_secs_f64() * 1_000.0);
    proto::Percentiles { p50, p90, p99 }
}

/// The state of the whole.
pub fn stats(stats: SystemStats) -> proto::Stats {
    let SystemStats { counts, nodes, leader, server } = stats;
    let node = |peer: Peer| proto::Node {
        leader: leader == Some(peer.node),
        id: peer.node.to_string(),
        roles: peer.info.roles,
        heartbeat_at: Some(instant::show(peer.heartbeat_at)),
        version: peer.info.version,
    };
    proto::Stats {
        endpoints: counts.endpoints,
        backlog: counts.waiting + counts.in_batches,
        waiting: counts.waiting,
        failed: counts.failed,
        oldest_pending_at: counts.oldest_pending_at.map(instant::show),
        nodes: nodes.into_iter().map(node).collect(),
        server: server.map(set_up),
    }
}

fn set_up(info: ServerInfo) -> proto::Server {
    let ServerInfo { now, seals_secrets, schema_version, allowed_networks } = info;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    proto::Server { version, now: Some(instant::show(now)), seals_secrets, schema_version, allowed_networks }
}

/// An erasure under way.
pub fn erasure(job: Job) -> proto::Erasure {
    proto::Erasure {
        id: job.id.to_string(),
        tenant: job.tenant.map(Into::into),
        state: job.state.number(),
        matched: job.matched,
        erased: job.done,
        created_at: Some(instant::show(job.created_at)),
    }
}
