//! `posthaste serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::address::AllowList;
use posthaste_core::endpoint::Verification;
use posthaste_engine::roles::Role;
use posthaste_store::retention::Ages;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use url::Url;

use crate::commands::migrate::DatabaseOptions;
use crate::failure::{Failure, Result};
use crate::server::attempt_lines::{AttemptLines, Logged};
use crate::server::logs::{self, LogFormat};
use crate::server::settings::{Settings, days};
use crate::server::{Server, signals};

/// The options of a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  posthaste serve --allow-net 127.0.0.0/8
      keeps everything in posthaste.db; may send to receivers on this machine
  POSTHASTE_ADMIN_KEY=$(openssl rand -hex 24) posthaste serve --listen 0.0.0.0:7678
      for other machines; every call then needs the key
  posthaste serve --database-url postgres://posthaste@db/posthaste
      one of any number of nodes on one PostgreSQL

Keys are better given as POSTHASTE_ADMIN_KEY and POSTHASTE_SECRET_KEY: a process's arguments can be seen by others.")]
pub struct Serve {
    #[command(flatten)]
    database: DatabaseOptions,
    /// Where the API listens; beyond loopback only with an admin key
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7678")]
    listen: SocketAddr,
    /// A key with every right, at least 24 characters; with one, every call needs a key
    #[arg(long, value_name = "KEY")]
    admin_key: Option<String>,
    /// Seals endpoint secrets in the database, at least 24 characters; with SQLite one is made beside the file
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
    /// What this node does
    #[arg(long, value_parser = role, value_delimiter = ',', value_name = "ROLES", default_value = "api,dispatch,schedule")]
    roles: Vec<Role>,
    /// A network that may be sent to although it is not public, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "CIDR")]
    allow_net: Vec<AllowList>,
    /// A file of certificate authorities (PEM) that are trusted beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Make topics when they are first named
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    auto_topics: bool,
    /// How endpoints are verified that do not say it themselves
    #[arg(long, value_enum, value_name = "HOW", default_value = "none")]
    verification: Verify,
    /// Where the API can be reached from outside, for callbacks of CloudEvents handshakes
    #[arg(long, value_name = "URL")]
    public_url: Option<Url>,
    /// Who this server says it is in CloudEvents handshakes; without it the host of the public URL
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// The largest payload
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1..=268_435_456))]
    max_payload_bytes: u32,
    /// How many days messages are kept, with their deliveries and attempts; what still waits is kept longer
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    retain_messages_days: u32,
    /// How many days what was kept of responses is kept
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    retain_captures_days: u32,
    /// How long the other nodes wait before they take over from one that stands still
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=600))]
    lease_seconds: u32,
    /// Where /metrics can be read without a key
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// The most connections to the API at once
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    max_connections: u32,
    /// How long requests and exchanges under way may take to end when the server stops
    #[arg(long, value_name = "SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u32).range(0..=3600))]
    shutdown_grace_seconds: u32,
    /// How log lines look: auto is text on a terminal, else JSON
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, perhaps with `module=level` after a comma
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// Which attempts get a log line
    #[arg(long, value_enum, value_name = "WHICH", default_value = "all")]
    log_attempts: Logged,
}

/// The word of the command line for [`Verification`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verify {
    /// Not at all
    None,
    /// By a token that is sent there and comes back
    Token,
    /// By the handshake of the CloudEvents webhook specification
    Cloudevents,
}

impl From<Verify> for Verification {
    fn from(word: Verify) -> Self {
        match word {
            Verify::None => Self::None,
            Verify::Token => Self::Token,
            Verify::Cloudevents => Self::CloudEvents,
        }
    }
}

/// Serves until a signal.
pub async fn run(options: Serve) -> Result<()> {
    logs::start(options.log_format, &options.log_level)?;
    let settings = settings(options)?;
    // Before anything is opened, so that a signal during a long migration is not lost.
    let stop = signals::stop_token()?;
    let database = settings.database.clone();
    let attempt_log = settings.attempt_log.clone();
    let keyless = settings.admin_key.is_none();
    let server = tokio::select! {
        server = Server::start(settings) => server?,
        () = stop.cancelled() => return Ok(()),
    };
    let address = server.address()?;
    tracing::info!(%address, %database, version = env!("CARGO_PKG_VERSION"), "listening on http://{address}");
    if let Some(address) = server.metrics_address() {
        tracing::info!(%address, "metrics on http://{address}/metrics");
    }
    if keyless {
        tracing::info!("no key is asked for: only this machine is served");
    }
    server.run(stop).await;
    if let Some(log) = attempt_log {
        log.flush(Duration::from_secs(2));
    }
    tracing::info!("stopped");
    Ok(())
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word.trim()).ok_or_else(|| "name some of api, dispatch, schedule, with commas between".to_owned())
}

fn settings(options: Serve) -> Result<Settings> {
    let mut extra_ca = Vec::new();
    for path in &options.ca {
        extra_ca.extend(authorities(path)?);
    }
    let attempt_log = match options.log_attempts {
        Logged::None => None,
        which => {
            let lines = AttemptLines::to_standard_error(which, options.log_format);
            Some(Arc::new(lines.map_err(|error| Failure::new(format!("no thread can be started: {error}")))?))
        }
    };
    Settings {
        listen: options.listen,
        metrics_listen: options.metrics_listen,
        network: options.database.network(),
        // An empty variable (`POSTHASTE_ADMIN_KEY=`) is what a deployment without one leaves behind.
        admin_key: options.admin_key.filter(|key| !key.is_empty()),
        secret_key: options.secret_key.filter(|key| !key.is_empty()),
        roles: options.roles,
        allow: options.allow_net.into_iter().collect(),
        extra_ca,
        auto_topics: options.auto_topics,
        verification: options.verification.into(),
        public_url: options.public_url,
        origin: options.origin,
        max_payload_bytes: usize::try_from(options.max_payload_bytes).unwrap_or(usize::MAX),
        ages: Ages { messages: days(options.retain_messages_days), captures: days(options.retain_captures_days) },
        lease: Duration::from_secs(u64::from(options.lease_seconds)),
        grace: Duration::from_secs(u64::from(options.shutdown_grace_seconds)),
        max_connections: usize::try_from(options.max_connections).unwrap_or(usize::MAX),
        attempt_log,
        ..Settings::new(options.database.url)
    }
    .check()
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let failed =
        |reason: String| Failure::new(format!("the authorities in {} cannot be read: {reason}", path.display()));
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    Ok(found)
}
