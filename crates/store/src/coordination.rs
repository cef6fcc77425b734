//! Who may write: nodes, their leases, and the 256 endpoint shards.

use async_trait::async_trait;
use posthaste_core::Timestamp;
use posthaste_core::id::NodeId;

use crate::Result;
use crate::catalog::CatalogVersion;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// The program's version.
    pub version: String,
    /// Its roles, as words.
    pub roles: Vec<String>,
}

/// A node that has joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Its fence: fresh for each process start.
    pub node: NodeId,
    /// Its number in ids, 0 to 1023; not given to another node before a thousand further starts.
    pub number: u16,
    /// The database's clock.
    pub now: Timestamp,
}

/// What a renewal learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// The database's clock.
    pub now: Timestamp,
    /// The catalog's version.
    pub catalog: CatalogVersion,
}

/// One live node as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its fence.
    pub node: NodeId,
    /// Its number in ids.
    pub number: u16,
    /// Counts its renewals. A watcher that sees it stand still for a lease, by the watcher's own monotonic clock, may
    /// take over; no two clocks are ever compared.
    pub beat: i64,
    /// When it last renewed, by the database's clock; for people.
    pub heartbeat_at: Timestamp,
    /// The catalog version that it has applied.
    pub applied: CatalogVersion,
    /// How many shards it owns.
    pub shards: u32,
    /// What it says of itself.
    pub info: NodeInfo,
}

/// A set of the 256 endpoint shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardSet([u64; 4]);

impl ShardSet {
    /// Adds a shard.
    pub fn insert(&mut self, shard: u8) {
        self.0[usize::from(shard >> 6)] |= 1 << (shard & 63);
    }
    /// Removes a shard.
    pub fn remove(&mut self, shard: u8) {
        self.0[usize::from(shard >> 6)] &= !(1 << (shard & 63));
    }
    /// Whether it is in the set.
    pub fn contains(&self, shard: u8) -> bool {
        self.0[usize::from(shard >> 6)] & (1 << (shard & 63)) != 0
    }
    /// How many are in the set.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Those in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|shard| self.contains(*shard))
    }
}

impl FromIterator<u8> for ShardSet {
    fn from_iter<I: IntoIterator<Item = u8>>(shards: I) -> Self {
        let mut set = Self::default();
        for shard in shards {
            set.insert(shard);
        }
        set
    }
}

/// Membership and ownership.
///
/// A node is two rows: `node`, the fence, which is only ever inserted and deleted and which every owner's transaction
/// locks `FOR SHARE` first; and `beat`, which renewals update. They are apart because overlapping share locks on one
/// row would starve the renewal of that row.
#[async_trait]
pub trait Coordination: Send + Sync {
    /// Enters as a new node. With SQLite, where a lock file makes this the only process, every other node is removed, so
    /// that a start owns everything at once.
    async fn join(&self, info: &NodeInfo) -> Result<Joined>;

    /// Renews the lease and says which catalog version this node has applied; [`crate::StoreError::LeaseLost`] if
    /// the node was taken over.
    async fn beat(&self, node: NodeId, applied: CatalogVersion) -> Result<Beat>;

    /// The nodes that are there, this one too.
    async fn peers(&self) -> Result<Vec<Peer>>;

    /// Removes a node whose beat still is `beat`; `false` if it moved or is gone. Locks its `node` row `FOR UPDATE`
    /// first, so that it waits for the owner's transactions that are under way and none starts after. Its batches and
    /// shards are free from then on.
    async fn take_over(&self, node: NodeId, beat: i64) -> Result<bool>;

    /// Leaves: as if taken over, but at once.
    async fn leave(&self, node: NodeId) -> Result<()>;

    /// Takes up to `limit` shards that no live node owns, and wakes every lane in them (its former owner may have
    /// had rows in memory, past which the lane's time had moved on). Returns those taken.
    async fn claim_shards(&self, node: NodeId, limit: u32, now: Timestamp) -> Result<Vec<u8>>;

    /// Gives shards back.
    async fn release_shards(&self, node: NodeId, shards: &[u8]) -> Result<()>;

    /// Housekeeping that any node may do at any time and that is safe to repeat: makes partitions ahead, rotates the
    /// idempotency generations (a key holds for at least 24 hours), trims the catalog's log.
    async fn maintain(&self, now: Timestamp) -> Result<()>;
}
