//! Being a node: joining, renewing, watching the others, sharing the endpoint shards out.

use std::collections::HashMap;
use std::sync::atomic::Ordering as AtomicOrdering;
use std::time::{Duration, Instant};

use posthaste_core::id::{MessageIds, NodeId};
use posthaste_store::coordination::{NodeInfo, Peer};
use posthaste_store::{CatalogVersion, ShardSet, StoreError};

use crate::Engine;
use crate::chance;
use crate::lease::Fence;
use crate::roles::Role;

/// How often the catalog's version is asked for; what another node changed is applied within this.
const CATALOG_POLL: Duration = Duration::from_millis(200);
/// How often housekeeping is done.
const MAINTENANCE: Duration = Duration::from_secs(600);

/// The endpoint shards that are this node's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owned {
    /// Those whose `due` rows it reads.
    pub reading: ShardSet,
    /// Those it gives back as soon as nothing of them is in memory.
    pub leaving: ShardSet,
}

/// Enters as a new node. What an earlier membership of this process left in memory has been forgotten before.
pub async fn join(engine: &Engine) -> Result<Fence, StoreError> {
    let asked = Instant::now();
    let roles = engine.0.options.roles.iter().map(|role| role.as_str().to_owned()).collect();
    let info = NodeInfo { version: env!("CARGO_PKG_VERSION").to_owned(), roles };
    let joined = engine.0.store.join(&info).await?;
    engine.0.clock.correct(joined.now, asked);
    let epoch = engine.0.epoch.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
    let fence = Fence { node: joined.node, number: joined.number, epoch };
    *engine.0.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = MessageIds::new(joined.number);
    *engine.owned() = Owned::default();
    engine.0.dispatch.join(epoch);
    engine.0.lease.joined(fence, asked);
    tracing::info!(node = %joined.node, number = joined.number, "joined");
    Ok(fence)
}

/// What is known of another node's beat: its count, and since when it has stood there by this node's clock.
struct Seen {
    beat: i64,
    since: Instant,
}

/// Renews, watches and shares until the engine stops.
pub async fn run(engine: Engine) {
    let mut seen: HashMap<NodeId, Seen> = HashMap::new();
    loop {
        tokio::select! {
            () = engine.0.stop_now.cancelled() => return,
            () = engine.0.rejoin.notified() => {}
            () = tokio::time::sleep(engine.0.lease.renewal()) => {}
        }
        if let Err(error) = turn(&engine, &mut seen).await {
            tracing::warn!(%error, "the lease could not be renewed; trying again");
            tokio::time::sleep(Duration::from_millis(250)).await;
            engine.0.rejoin.notify_one();
        }
    }
}

async fn turn(engine: &Engine, seen: &mut HashMap<NodeId, Seen>) -> Result<(), StoreError> {
    let Some(fence) = engine.0.lease.fence() else {
        if engine.is_stopping() {
            return Ok(());
        }
        join(engine).await?;
        engine.0.unclaimed.notify_one();
        return share_out(engine, &engine.0.store.peers().await?).await;
    };
    let asked = Instant::now();
    match engine.0.store.beat(fence.node, engine.applied()).await {
        Ok(beat) => {
            engine.0.lease.renewed(asked);
            engine.0.clock.correct(beat.now, asked);
            // What was held back while the lease was not fresh.
            engine.pump();
        }
        Err(StoreError::LeaseLost) => {
            tracing::warn!("this node was taken over; joining anew");
            engine.lease_lost(fence.node);
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let peers = engine.0.store.peers().await?;
    watch(engine, fence, &peers, seen).await?;
    share_out(engine, &peers).await
}

/// Takes over nodes whose beat has stood still for a lease, by this node's own monotonic clock.
async fn watch(
    engine: &Engine,
    fence: Fence,
    peers: &[Peer],
    seen: &mut HashMap<NodeId, Seen>,
) -> Result<(), StoreError> {
    let now = Instant::now();
    seen.retain(|node, _| peers.iter().any(|peer| peer.node == *node));
    for peer in peers.iter().filter(|peer| peer.node != fence.node) {
        let known = seen.entry(peer.node).or_insert(Seen { beat: peer.beat, since: now });
        if known.beat != peer.beat {
            *known = Seen { beat: peer.beat, since: now };
        } else if now.duration_since(known.since) >= engine.0.lease.length()
            && engine.0.store.take_over(peer.node, peer.beat).await?
        {
            tracing::warn!(node = %peer.node, "took over a node that had stopped renewing");
            engine.0.metrics.take_overs.inc();
            engine.0.unclaimed.notify_one();
        }
    }
    Ok(())
}

/// Claims shards up to this node's share, and gives back what is above it.
async fn share_out(engine: &Engine, peers: &[Peer]) -> Result<(), StoreError> {
    let Some(fence) = engine.0.lease.fence() else { return Ok(()) };
    if !engine.plays(Role::Dispatch) {
        return Ok(());
    }
    let sends = |peer: &&Peer| peer.info.roles.iter().any(|role| role == Role::Dispatch.as_str());
    let nodes = u32::try_from(peers.iter().filter(sends).count().max(1)).unwrap_or(u32::MAX);
    let share = 256_u32.div_ceil(nodes);
    give_back(engine, fence).await?;
    let (reading, leaving) = {
        let owned = engine.owned();
        (owned.reading, owned.leaving.len())
    };
    if reading.len() > share {
        let surplus: Vec<u8> = reading.iter().take((reading.len() - share) as usize).collect();
        leave(engine, &surplus).await;
        return give_back(engine, fence).await;
    }
    if reading.len() + leaving < share {
        let now = engine.0.clock.now();
        let taken = engine.0.store.claim_shards(fence.node, share - reading.len() - leaving, now).await?;
        if !taken.is_empty() {
            let mut owned = engine.owned();
            for shard in &taken {
                owned.reading.insert(*shard);
            }
            drop(owned);
            engine.0.drain_hint.by(now);
        }
    }
    Ok(())
}

/// Stops reading these shards; once nothing of them is in memory they are given back.
async fn leave(engine: &Engine, surplus: &[u8]) {
    // No poll is under way while the gate is held, so none can bring in rows of a shard that is left here.
    let _gate = engine.0.drain_gate.lock().await;
    let mut owned = engine.owned();
    for shard in surplus {
        owned.reading.remove(*shard);
        owned.leaving.insert(*shard);
        engine.0.dispatch.leave_shard(*shard);
    }
}

/// Gives back the shards that are being left and of which nothing is in memory any more.
async fn give_back(engine: &Engine, fence: Fence) -> Result<(), StoreError> {
    let leaving = engine.owned().leaving;
    let idle: Vec<u8> = leaving.iter().filter(|shard| !engine.0.dispatch.busy_in_shard(*shard)).collect();
    if idle.is_empty() {
        return Ok(());
    }
    engine.0.store.release_shards(fence.node, &idle).await?;
    let mut owned = engine.owned();
    for shard in &idle {
        owned.leaving.remove(*shard);
    }
    Ok(())
}

/// Applies what other nodes change in the catalog, until the engine stops.
pub async fn follow_catalog(engine: Engine) {
    let mut reported = CatalogVersion::default();
    loop {
        tokio::select! {
            () = engine.0.stop_now.cancelled() => return,
            () = tokio::time::sleep(CATALOG_POLL.mul_f64(0.75 + chance::draw() / 2.0)) => {}
        }
        match engine.catalog_changed().await {
            Ok(version) => {
                // Whoever pauses or disables an endpoint waits until every node has said that it knows.
                if version != reported
                    && let Some(fence) = engine.0.lease.fence()
                    && engine.0.store.beat(fence.node, version).await.is_ok()
                {
                    reported = version;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the catalog could not be read; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Does the chores that any node may do, until the engine stops.
pub async fn maintain(engine: Engine) {
    loop {
        if let Err(error) = engine.0.store.maintain(engine.0.clock.now()).await {
            tracing::warn!(%error, "housekeeping failed; trying again later");
        }
        engine.touch_keys().await;
        prune(&engine).await;
        tokio::select! {
            () = engine.0.stop_now.cancelled() => return,
            () = tokio::time::sleep(MAINTENANCE.mul_f64(0.75 + chance::draw() / 2.0)) => {}
        }
    }
}

/// Lets go of what is older than its age, a chunk at a time.
async fn prune(engine: &Engine) {
    loop {
        match engine.0.store.prune(&engine.0.options.ages, engine.0.clock.now()).await {
            Ok(pruned) if pruned.more && !engine.is_stopping() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "what is past its age could not be let go of; trying again later");
                return;
            }
        }
    }
}

impl Engine {
    /// The shards that this node owns now.
    pub(crate) fn owned(&self) -> std::sync::MutexGuard<'_, Owned> {
        self.0.shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The catalog was changed here: applies it, and waits until every live node has said that it knows, or lost its
    /// lease.
    pub(crate) async fn catalog_changed_everywhere(&self) -> Result<(), StoreError> {
        let version = self.catalog_changed().await?;
        let deadline = Instant::now() + self.0.lease.length() * 2;
        let own = self.0.lease.fence().map(|fence| fence.node);
        loop {
            let peers = self.0.store.peers().await?;
            let behind = peers.iter().any(|peer| Some(peer.node) != own && peer.applied < version);
            if !behind || Instant::now() > deadline {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Applies what changed in the catalog, and what hangs on it: keys and erasures. Whoever returns from here has all of
    /// it applied, also what another task began to apply: so one goes after the other, and what one could not read is
    /// read by the next.
    pub(crate) async fn catalog_changed(&self) -> Result<CatalogVersion, StoreError> {
        let mut applied = self.0.applied.lock().await;
        let refreshed = self.0.catalog.refresh().await?;
        if refreshed.keys {
            self.0.keys.forget_all();
        }
        applied.lacks_erasures |= refreshed.erasures;
        if applied.lacks_erasures {
            self.load_erasures().await?;
            applied.lacks_erasures = false;
        }
        self.0.applied_version.store(refreshed.version.0, AtomicOrdering::Release);
        Ok(refreshed.version)
    }

    /// The version of the catalog up to which everything is applied here; what other nodes are told.
    fn applied(&self) -> CatalogVersion {
        CatalogVersion(self.0.applied_version.load(AtomicOrdering::Acquire))
    }
}

/// What of the catalog is still to be applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// The erasures under way have changed and could not be read yet.
    lacks_erasures: bool,
}
