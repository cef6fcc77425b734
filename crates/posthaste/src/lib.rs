//! Webhooks from inside your program: the engine of Posthaste with a durable queue in SQLite or PostgreSQL.
//!
//! ```no_run
//! # async fn run() -> Result<(), posthaste::Error> {
//! use posthaste::Posthaste;
//! use serde_json::json;
//!
//! let hooks = Posthaste::open("sqlite:hooks.db").await?;
//! hooks.start().await?;
//! hooks.register("order.created", "https://example.com/hook").await?;
//! hooks.fire("order.created", &json!({"id": 1})).await?; // returns once it is stored
//! hooks.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! What [`Posthaste::fire`] has stored is delivered, whatever happens to the process: signed, retried with growing pauses,
//! and never to an address that the guard refuses. Between [`Posthaste::start`] and [`Posthaste::stop`] that happens in
//! the background; without it, [`Posthaste::process`] makes one pass by hand. On PostgreSQL several processes share the
//! work, and a message can be published inside the caller's own transaction (`postgres::publish_in`); on SQLite
//! `Posthaste::transaction` does the same.

mod error;
mod message;
mod options;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use posthaste_engine::ingest::{Draft, Envelope};
use posthaste_engine::roles::Role;
use posthaste_engine::{AttemptLog, Caller, Engine};
use posthaste_store::Settled;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::RwLock;

pub use error::Error;
pub use message::Message;
pub use options::Options;
pub use posthaste_core as core;
pub use posthaste_engine as engine;
pub use target::{Addressees, Resolver, Target, resolver};

/// How long what is in flight has to end when the hooks are stopped.
const GRACE: Duration = Duration::from_secs(30);

/// A durable queue of webhooks; a cheap handle.
#[derive(Clone)]
pub struct Posthaste(Arc<Inner>);

struct Inner {
    backend: options::Backend,
    options: posthaste_engine::Options,
    /// The engine as it runs now: one that only accepts, or one that also sends.
    running: RwLock<Running>,
    handled: Arc<Handled>,
}

struct Running {
    engine: Engine,
    sends: bool,
}

/// What a fire stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The message; `None` if nobody was to be told, so that there is nothing to store.
    pub id: Option<posthaste_core::MessageId>,
    /// How many URLs it goes to.
    pub deliveries: u32,
}

/// Counts exchanges.
#[derive(Debug, Default)]
struct Handled(AtomicU64);

impl AttemptLog for Handled {
    fn attempts(&self, settled: &[Settled]) {
        let exchanges = settled.iter().filter(|settled| settled.attempt.is_some()).count();
        self.0.fetch_add(exchanges as u64, Ordering::Relaxed);
    }
}

impl Posthaste {
    /// Opens the queue at `sqlite:PATH` or `postgres://…`, with the defaults.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Options::new(url).open().await
    }

    async fn from_parts(backend: options::Backend, mut options: posthaste_engine::Options) -> Result<Self, Error> {
        let handled = Arc::new(Handled::default());
        options.attempt_log = Some(handled.clone());
        let engine = start(&backend, &options, &[Role::Api]).await?;
        let running = RwLock::new(Running { engine, sends: false });
        Ok(Self(Arc::new(Inner { backend, options, running, handled })))
    }

    /// Makes a URL get what is fired at a topic from now on; twice is once, and it stays over restarts.
    pub async fn register(&self, topic: &str, url: &str) -> Result<(), Error> {
        let body = json!({"url": url, "topic": topic});
        let running = self.0.running.read().await;
        running.engine.subscribe(&Caller::admin(), body).await?;
        Ok(())
    }

    /// Takes a URL off every topic; says whether it was on any.
    pub async fn deregister(&self, url: &str) -> Result<bool, Error> {
        let running = self.0.running.read().await;
        Ok(running.engine.unsubscribe(&Caller::admin(), json!({"url": url})).await?)
    }

    /// Stores a message for a topic's URLs, for a URL, a list of them, or what a [`resolver`] answers now; returns once
    /// it is stored durably.
    pub async fn fire<T: Target, P: Serialize + ?Sized>(&self, target: T, payload: &P) -> Result<Fired, Error> {
        let payload = serde_json::value::to_raw_value(payload).map_err(Error::Payload)?;
        let draft = match target.addressees().await? {
            Addressees::Topic(topic) => Draft { topic: Some(topic.into()), ..Draft::default() },
            Addressees::Urls(urls) if urls.is_empty() => return Ok(Fired { id: None, deliveries: 0 }),
            Addressees::Urls(urls) => Draft { urls: Some(urls), ..Draft::default() },
        };
        self.publish(draft, &payload).await
    }

    async fn publish(&self, draft: Draft<'_>, payload: &RawValue) -> Result<Fired, Error> {
        let draft = Draft { payload: Some(payload), ..draft };
        let running = self.0.running.read().await;
        let receipt = running.engine.publish(&Caller::admin(), draft, Envelope::default()).await?;
        Ok(Fired { id: Some(receipt.id), deliveries: receipt.deliveries.unwrap_or(0) })
    }

    /// Sends in the background from now on, until [`Posthaste::stop`]. A second call changes nothing.
    pub async fn start(&self) -> Result<(), Error> {
        let mut running = self.0.running.write().await;
        if running.sends {
            return Ok(());
        }
        self.switch(&mut running, &Role::ALL).await
    }

    /// Sends no more: waits for what is in flight (at most 30 seconds), and gives back what is left, so that another
    /// process, or the next start, goes on with it at once. Messages can still be fired.
    pub async fn stop(&self) {
        let mut running = self.0.running.write().await;
        if running.sends
            && let Err(error) = self.switch(&mut running, &[Role::Api]).await
        {
            // What is stored stays stored; the next call meets the same database and says what is wrong with it.
            running.sends = false;
            drop(error);
        }
    }

    /// Makes one pass by hand: sends all that is due now, waits until it is recorded, and says how many exchanges that
    /// were. A delivery that failed waits for its next attempt, so a pass always ends.
    pub async fn process(&self) -> Result<u64, Error> {
        let mut running = self.0.running.write().await;
        let before = self.0.handled.0.load(Ordering::Relaxed);
        let by_hand = !running.sends;
        if by_hand {
            self.switch(&mut running, &[Role::Api, Role::Dispatch]).await?;
        }
        let passed = running.engine.pass().await;
        if by_hand {
            self.switch(&mut running, &[Role::Api]).await?;
        }
        passed?;
        Ok(self.0.handled.0.load(Ordering::Relaxed) - before)
    }

    /// Ends one engine and starts another on the same store: one that sends, or one that only accepts.
    async fn switch(&self, running: &mut Running, roles: &[Role]) -> Result<(), Error> {
        running.engine.stop(GRACE).await;
        running.engine = start(&self.0.backend, &self.0.options, roles).await?;
        running.sends = roles.contains(&Role::Dispatch);
        Ok(())
    }

    /// The engine that runs now, for what this facade does not show: history, retries, schedules, replays. It is
    /// replaced by [`Posthaste::start`], [`Posthaste::stop`] and [`Posthaste::process`].
    pub async fn engine(&self) -> Engine {
        self.0.running.read().await.engine.clone()
    }
}

async fn start(
    backend: &options::Backend,
    options: &posthaste_engine::Options,
    roles: &[Role],
) -> Result<Engine, Error> {
    let options = posthaste_engine::Options { roles: roles.to_vec(), ..options.clone() };
    Ok(Engine::start(backend.store(), options).await?)
}
