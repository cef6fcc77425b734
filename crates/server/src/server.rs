//! The composition root: the one place that names both drivers, the engine and the transports.
//!
//! ```text
//! Settings ── open the store ── start the engine ── bind ── serve ── a signal ── drain ── stop the engine
//! ```
//!
//! `serve` and `demo` run the same server; only their settings differ.

pub mod attempt_lines;
pub mod connections;
pub mod database;
mod file_limit;
pub mod key_file;
pub mod listener;
pub mod logs;
mod loopback;
mod operations;
pub mod secret_key;
pub mod settings;
pub mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use posthaste_engine::dispatch::Limits;
use posthaste_engine::egress::EgressOptions;
use posthaste_engine::{Engine, Options};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Result};
use connections::Connections;
use database::Opened;
use settings::Settings;

/// The weight of the jobs that one node holds in memory; beyond it batches wait in the database.
const MEMORY_BYTES: usize = 256 * 1024 * 1024;
/// The most exchanges in flight, however many files may be open: beyond that two cores have nothing to gain.
const MOST_IN_FLIGHT: usize = 16_384;
/// Files for everything that is neither a connection to us nor from us.
const SPARE_FILES: usize = 128;

/// A server that has its database, its lease and its sockets.
pub struct Server {
    engine: Engine,
    api: (TcpListener, axum::Router),
    metrics: Option<(TcpListener, axum::Router)>,
    max_connections: usize,
    /// Streams end once connections are to be drained.
    ending: CancellationToken,
    grace: Duration,
}

impl Server {
    /// Opens and binds everything; nothing is accepted before [`Server::run`].
    pub async fn start(settings: Settings) -> Result<Self> {
        let files = file_limit::raise();
        // Bound first: an address that is taken is found before a node joins.
        let api = listener::bind(settings.listen)?;
        let metrics = settings.metrics_listen.map(listener::bind).transpose()?;
        let opened = database::open(&settings.database, &settings.network).await?;
        let given = settings.secret_key.clone();
        let secret_key = secret_key::choose(given, &settings.database, &*opened.store).await?;
        let room = files.saturating_sub(SPARE_FILES);
        let max_connections = settings.max_connections.min((room / 2).max(16));
        let in_flight = (room.saturating_sub(max_connections)).clamp(16, MOST_IN_FLIGHT);
        let options = engine_options(&settings, secret_key, in_flight, &opened);
        let engine = Engine::start(opened.store, options).await.map_err(|error| Failure::new(error.to_string()))?;
        let ending = CancellationToken::new();
        let router = operations::main(&engine, &settings, &ending);
        Ok(Self {
            api: (api, router),
            metrics: metrics.map(|listener| (listener, operations::metrics(&engine))),
            max_connections,
            ending,
            grace: settings.grace,
            engine,
        })
    }

    /// Where the API listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.api.0.local_addr().map_err(|error| Failure::new(format!("the address is not known: {error}")))
    }

    /// Where `/metrics` is open, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Serves until `stop`, then ends in order: no new connections, requests under way end, exchanges in flight end
    /// and are recorded, the lease is given back.
    pub async fn run(self, stop: CancellationToken) {
        let connections = Connections::new(self.max_connections);
        let mut tasks = vec![connections.accept(self.api.0, self.api.1, stop.clone())];
        if let Some((listener, router)) = self.metrics {
            tasks.push(connections.accept(listener, router, stop.clone()));
        }
        stop.cancelled().await;
        for task in tasks {
            // A listener's task only ends; if it had panicked, that is in the log and the stop goes on.
            let _ = task.await;
        }
        // Requests first: what they were promised is then committed before the engine refuses more.
        self.ending.cancel();
        connections.drain(self.grace).await;
        self.engine.stop(self.grace).await;
    }
}

fn engine_options(settings: &Settings, secret_key: Option<String>, in_flight: usize, opened: &Opened) -> Options {
    let egress = EgressOptions {
        allow: settings.allow.clone(),
        extra_ca: settings.extra_ca.clone(),
        max_connections: in_flight,
        ..EgressOptions::default()
    };
    Options {
        allow: settings.allow.clone(),
        egress,
        secret_key,
        admin_key: settings.admin_key.clone(),
        max_payload_bytes: settings.max_payload_bytes,
        auto_topics: settings.auto_topics,
        verification: settings.verification,
        patience: posthaste_engine::Patience::Scheduled,
        origin: settings.origin(),
        public_url: settings.public_url.as_ref().map(ToString::to_string),
        lease: settings.lease,
        limits: Limits { in_flight, memory_bytes: MEMORY_BYTES },
        ages: settings.ages,
        commit_width: opened.commit_width,
        roles: settings.roles.clone(),
        attempt_log: settings.attempt_log.clone().map(|log| log as Arc<dyn posthaste_engine::AttemptLog>),
        schema_version: Some(opened.schema_version),
    }
}
