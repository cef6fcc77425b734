//! The engine: every use case of Posthaste, and the machinery that sends.
//!
//! The way of an event, one module a step:
//!
//! ```text
//! ingest    checks a draft, matches it                      ingest, addressing, catalog
//! commit    one group commit; 202 only after it             commit
//! dispatch  whose turn is it: lanes, windows, fairness      dispatch (and drain, for what waits in the database)
//! deliver   sign, send, judge, decide what is next          deliver, request, egress
//! record    outcomes flushed together                       record
//! ```
//!
//! Around it: `membership` and `lease` (the right to send), `topics`, `endpoints`, `keys` and `deliveries` (what people
//! do by hand). Transports call these use cases and add no rule of their own.

pub mod access;
pub mod addressing;
pub mod announce;
pub mod caller;
pub mod catalog;
mod chance;
mod claim;
mod clock;
mod commit;
pub mod cursor;
mod deliver;
pub mod deliveries;
pub mod dispatch;
pub mod document;
mod drain;
pub mod egress;
pub mod endpoints;
pub mod erasures;
pub mod error;
pub mod events;
mod expiry;
pub mod explain;
mod health;
pub mod ingest;
mod jobs;
pub mod keys;
pub mod lease;
mod membership;
pub mod metrics;
mod outbox;
mod pass;
mod record;
pub mod rekey;
pub mod related;
pub mod replays;
pub mod request;
pub mod roles;
pub mod rules;
mod scheduler;
pub mod schedules;
pub mod schema;
pub mod statistics;
pub mod subscriptions;
pub mod topics;
pub mod vault;
pub mod verification;
mod waiting;

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthaste_core::address::AllowList;
use posthaste_core::id::MessageIds;
use posthaste_store::{Settled, Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use caller::Caller;
pub use error::{EngineError, FieldError, Result};

/// How long a stop waits for its tasks once nothing is left for them to do.
const TASKS: Duration = Duration::from_secs(3);

/// How an engine is set up.
#[derive(Clone)]
pub struct Options {
    /// Addresses that may be sent to although the guard would refuse them.
    pub allow: AllowList,
    /// How outbound connections are made.
    pub egress: egress::EgressOptions,
    /// Seals endpoint secrets; at least 24 characters.
    pub secret_key: Option<String>,
    /// A key with every right, beside those in the database; at least 24 characters.
    pub admin_key: Option<String>,
    /// The largest payload, in bytes.
    pub max_payload_bytes: usize,
    /// Topics come into being when they are first named.
    pub auto_topics: bool,
    /// How endpoints are verified that do not say it themselves.
    pub verification: posthaste_core::endpoint::Verification,
    /// How long deliveries are tried whose endpoint says nothing of it.
    pub patience: Patience,
    /// Who this server says it is in CloudEvents handshakes: a host's name.
    pub origin: String,
    /// Where this server's API can be reached from outside, if it can.
    pub public_url: Option<String>,
    /// How long others wait before they take over from a node that stands still.
    pub lease: Duration,
    /// Bounds of what is held at once.
    pub limits: dispatch::Limits,
    /// How long things are kept.
    pub ages: posthaste_store::retention::Ages,
    /// How many group commits run at once: 1 for a store with one writer, 2 for PostgreSQL.
    pub commit_width: usize,
    /// What this node does.
    pub roles: Vec<roles::Role>,
    /// Where a line for each attempt goes.
    pub attempt_log: Option<Arc<dyn AttemptLog>>,
    /// The version of the store's schema, for showing it.
    pub schema_version: Option<i64>,
}

impl Default for Options {
    /// What `serve` does unless it is told otherwise, for a store with one writer.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            allow: AllowList::default(),
            egress: egress::EgressOptions::default(),
            secret_key: None,
            admin_key: None,
            max_payload_bytes: 1 << 20,
            auto_topics: false,
            verification: posthaste_core::endpoint::Verification::None,
            patience: Patience::Scheduled,
            origin: "localhost".to_owned(),
            public_url: None,
            lease: Duration::from_secs(10),
            limits: dispatch::Limits { in_flight: 1_024, memory_bytes: 256 << 20 },
            ages: posthaste_store::retention::Ages { messages: 30 * DAY, captures: 7 * DAY },
            commit_width: 1,
            roles: roles::Role::ALL.to_vec(),
            attempt_log: None,
            schema_version: None,
        }
    }
}

/// How long deliveries are tried whose endpoint says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// As long as the default schedule lasts.
    #[default]
    Scheduled,
    /// Until they are taken: the last delay is repeated without end, and the endpoint is never disabled.
    Endless,
}

/// Takes a line for each attempt, a whole flush at once.
pub trait AttemptLog: Send + Sync {
    /// What was just recorded.
    fn attempts(&self, settled: &[Settled]);
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret key cannot be used.
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    /// Outbound connections cannot be set up.
    #[error(transparent)]
    Egress(#[from] egress::EgressError),
}

/// The engine; a cheap handle.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: Options,
    pub(crate) clock: clock::Clock,
    pub(crate) lease: lease::Lease,
    pub(crate) epoch: AtomicU64,
    pub(crate) ids: Mutex<MessageIds>,
    pub(crate) catalog: catalog::CatalogCache,
    pub(crate) applied: tokio::sync::Mutex<membership::Applied>,
    pub(crate) applied_version: AtomicI64,
    pub(crate) keys: keys::KeyCache,
    pub(crate) vault: vault::Vault,
    pub(crate) egress: egress::Egress,
    pub(crate) dispatch: dispatch::Dispatcher,
    pub(crate) record: record::Recorder,
    pub(crate) commit: commit::Queues,
    pub(crate) mark: deliver::mark::Marker,
    pub(crate) frozen: deliver::frozen::FrozenSettings,
    pub(crate) shards: Mutex<membership::Owned>,
    pub(crate) drain_gate: tokio::sync::Mutex<()>,
    pub(crate) drain_hint: drain::Hint,
    pub(crate) unclaimed: Notify,
    pub(crate) job_hint: Notify,
    pub(crate) outbox_hint: Notify,
    pub(crate) schedule_hint: Notify,
    /// Erasures that are under way: what they take is hidden from every read.
    pub(crate) erasures: std::sync::RwLock<Arc<[erasures::Erasure]>>,
    pub(crate) rejoin: Notify,
    pub(crate) metrics: metrics::Metrics,
    pub(crate) tracker: TaskTracker,
    /// Deliveries under way; they end before the lease is given back.
    pub(crate) sending: TaskTracker,
    /// First stage of a stop: nothing new.
    pub(crate) stopping: CancellationToken,
    /// Second stage: whatever still waits gives up.
    pub(crate) stop_now: CancellationToken,
}

impl Engine {
    /// Joins the store as a node and starts to send.
    pub async fn start(store: Arc<dyn Store>, options: Options) -> Result<Self, StartError> {
        let tracker = TaskTracker::new();
        let mut limits = options.limits;
        if !options.roles.contains(&roles::Role::Dispatch) {
            // No room in memory: what is accepted here is left for whoever sends.
            limits.memory_bytes = 0;
        }
        let vault = vault::Vault::new(options.secret_key.as_deref())?;
        let egress = egress::Egress::new(options.egress.clone(), tracker.clone())?;
        let (record, outcomes) = record::Recorder::channel();
        let (commit, committers) = commit::queues();
        let (mark, marks) = deliver::mark::Marker::channel();
        let engine = Self(Arc::new(Shared {
            clock: clock::Clock::set_to(posthaste_core::Timestamp::default()),
            lease: lease::Lease::new(options.lease),
            epoch: AtomicU64::new(0),
            ids: Mutex::new(MessageIds::new(0)),
            catalog: catalog::CatalogCache::new(store.clone()),
            applied: tokio::sync::Mutex::default(),
            applied_version: AtomicI64::new(0),
            keys: keys::KeyCache::default(),
            dispatch: dispatch::Dispatcher::new(limits),
            shards: Mutex::default(),
            drain_gate: tokio::sync::Mutex::default(),
            drain_hint: drain::Hint::default(),
            unclaimed: Notify::new(),
            job_hint: Notify::new(),
            outbox_hint: Notify::new(),
            schedule_hint: Notify::new(),
            erasures: std::sync::RwLock::new(Arc::from([])),
            rejoin: Notify::new(),
            metrics: metrics::Metrics::default(),
            sending: TaskTracker::new(),
            stopping: CancellationToken::new(),
            stop_now: CancellationToken::new(),
            store,
            vault,
            egress,
            record,
            commit,
            mark,
            frozen: deliver::frozen::FrozenSettings::default(),
            tracker,
            options,
        }));
        membership::join(&engine).await?;
        engine.load_erasures().await?;
        engine.catalog_changed().await?;
        engine.0.tracker.spawn(deliver::mark::run(engine.clone(), marks));
        engine.spawn_all(committers, outcomes);
        engine.0.rejoin.notify_one();
        engine.0.unclaimed.notify_one();
        Ok(engine)
    }

    fn spawn_all(&self, committers: commit::Committers, outcomes: record::Outcomes) {
        let tracker = &self.0.tracker;
        committers.spawn(self);
        tracker.spawn(record::run(self.clone(), outcomes));
        if self.plays(roles::Role::Dispatch) {
            tracker.spawn(drain::run(self.clone()));
            tracker.spawn(expiry::run(self.clone()));
            tracker.spawn(claim::run(self.clone()));
            tracker.spawn(dispatch::pace::run(self.clone()));
            tracker.spawn(outbox::run(self.clone()));
            tracker.spawn(jobs::run(self.clone()));
        }
        if self.plays(roles::Role::Schedule) {
            tracker.spawn(scheduler::run(self.clone()));
        }
        tracker.spawn(membership::run(self.clone()));
        tracker.spawn(membership::follow_catalog(self.clone()));
        tracker.spawn(membership::maintain(self.clone()));
    }

    /// Starts whatever may be sent now.
    pub(crate) fn pump(&self) {
        // A token that is taken now must be used now: without a fresh lease nothing is taken.
        while self.0.lease.may_send().is_some()
            && let Some(job) = self.0.dispatch.next(self.0.clock.now())
        {
            self.0.sending.spawn(deliver::run(self.clone(), job));
        }
    }

    /// The next message id.
    pub(crate) fn mint(&self, now: posthaste_core::Timestamp) -> posthaste_core::MessageId {
        self.0.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner).mint(now)
    }

    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.is_cancelled()
    }

    /// Stops in two stages: nothing new is accepted or started, what is in flight has `grace` to end and be recorded;
    /// then the lease is given back, so that others go on at once with what is left.
    pub async fn stop(&self, grace: Duration) {
        self.0.stopping.cancel();
        self.0.dispatch.stop();
        self.put_back_unsent().await;
        self.0.sending.close();
        if tokio::time::timeout(grace, self.0.sending.wait()).await.is_err() {
            tracing::warn!("exchanges were still in flight at the end of the grace; they will be repeated");
        }
        self.0.record.flushed(Duration::from_secs(5)).await;
        self.touch_keys().await;
        self.0.stop_now.cancel();
        if let Some(fence) = self.0.lease.fence() {
            self.0.lease.lost();
            match tokio::time::timeout(Duration::from_secs(5), self.0.store.leave(fence.node)).await {
                Ok(Ok(())) => tracing::info!("left; the lease is given back"),
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be given back; it will run out"),
                Err(_) => tracing::warn!("the lease could not be given back in time; it will run out"),
            }
        }
        // The store is let go of with the last task: whoever opened it may want to open it again.
        self.0.egress.close();
        self.0.tracker.close();
        let ended = async {
            self.0.sending.wait().await;
            self.0.tracker.wait().await;
        };
        if tokio::time::timeout(TASKS, ended).await.is_err() {
            tracing::warn!("some tasks were still running at the end of the stop");
        }
    }

    /// The metrics as Prometheus text.
    pub fn metrics_text(&self) -> String {
        let (in_flight, memory) = self.0.dispatch.load();
        self.0.metrics.render(in_flight, memory)
    }

    /// Whether this node can accept and send: it holds a lease that is fresh.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.0.lease.may_send().is_some()
    }

    /// What the largest payload may be, in bytes.
    pub fn max_payload_bytes(&self) -> usize {
        self.0.options.max_payload_bytes
    }
}
