//! What a server is told: checked once, so that nothing further in has to doubt it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use posthaste_core::address::AllowList;
use posthaste_core::endpoint::Verification;
use posthaste_engine::roles::Role;
use posthaste_store::retention::Ages;
use rustls::pki_types::CertificateDer;
use url::Url;

use super::attempt_lines::AttemptLines;
use super::database::{Database, Network};
use crate::failure::{Failure, Result};

/// The shortest admin key: a text that nobody guesses.
pub const SHORTEST_KEY: usize = 24;

/// So many days.
pub const fn days(count: u32) -> Duration {
    Duration::from_hours(24 * count as u64)
}

/// How a server runs.
#[derive(Clone)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where `/metrics` is open, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The database.
    pub database: Database,
    /// How it is reached.
    pub network: Network,
    /// A key with every right; without one no key is asked for, and only loopback is served.
    pub admin_key: Option<String>,
    /// Seals endpoint secrets.
    pub secret_key: Option<String>,
    /// What the node does.
    pub roles: Vec<Role>,
    /// Addresses that may be sent to although the guard would refuse them.
    pub allow: AllowList,
    /// Certificate authorities trusted beside the system's.
    pub extra_ca: Vec<CertificateDer<'static>>,
    /// Topics come into being when they are first named.
    pub auto_topics: bool,
    /// How endpoints are verified that do not say it themselves.
    pub verification: Verification,
    /// Where the API can be reached from outside, if it can.
    pub public_url: Option<Url>,
    /// Who this server says it is in CloudEvents handshakes.
    pub origin: Option<String>,
    /// The largest payload.
    pub max_payload_bytes: usize,
    /// How long messages are kept, with their deliveries and attempts, and how long what was kept of responses.
    pub ages: Ages,
    /// How long others wait before they take over.
    pub lease: Duration,
    /// How long what is under way may take to end.
    pub grace: Duration,
    /// The most connections at once.
    pub max_connections: usize,
    /// Where a line for each attempt goes.
    pub attempt_log: Option<Arc<AttemptLines>>,
}

impl Settings {
    /// The defaults of the command line, for this database.
    pub fn new(database: Database) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7678),
            metrics_listen: None,
            database,
            network: Network::default(),
            admin_key: None,
            secret_key: None,
            roles: Role::ALL.to_vec(),
            allow: AllowList::default(),
            extra_ca: Vec::new(),
            auto_topics: false,
            verification: Verification::None,
            public_url: None,
            origin: None,
            max_payload_bytes: 1024 * 1024,
            ages: Ages { messages: days(30), captures: days(7) },
            lease: Duration::from_secs(10),
            grace: Duration::from_secs(25),
            max_connections: 4096,
            attempt_log: None,
        }
    }

    /// Refuses what must not run.
    pub fn check(self) -> Result<Self> {
        match &self.admin_key {
            None if !self.listen.ip().to_canonical().is_loopback() => {
                return Err(Failure::new(format!(
                    "listening on {} lets others in, so a key is needed: set POSTHASTE_ADMIN_KEY to at least \
                     {SHORTEST_KEY} random characters (openssl rand -hex 24 makes some), or listen on 127.0.0.1",
                    self.listen
                )));
            }
            Some(key) if key.chars().count() < SHORTEST_KEY => {
                return Err(Failure::new(format!(
                    "the admin key is too short to be safe: give at least {SHORTEST_KEY} random characters \
                     (openssl rand -hex 24 makes some)"
                )));
            }
            _ => {}
        }
        let alone = !matches!(self.database, Database::Postgres(_));
        if alone && Role::ALL.iter().any(|role| !self.roles.contains(role)) {
            return Err(Failure::new(
                "SQLite has one process, which must do everything: leave --roles out, or use PostgreSQL",
            ));
        }
        Ok(self)
    }

    /// The name for CloudEvents handshakes: the one given, else that of the public URL, else our own.
    pub fn origin(&self) -> String {
        let public = || self.public_url.as_ref().and_then(Url::host_str).map(str::to_owned);
        self.origin.clone().or_else(public).unwrap_or_else(|| "posthaste".to_owned())
    }

    /// Whether this node answers the API, or only says that it lives.
    pub fn serves_api(&self) -> bool {
        self.roles.contains(&Role::Api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &str, admin_key: Option<&str>) -> Result<Settings> {
        let listen = listen.parse().unwrap();
        let admin_key = admin_key.map(str::to_owned);
        Settings { listen, admin_key, ..Settings::new(Database::Memory) }.check()
    }

    #[test]
    fn listening_wider_than_loopback_needs_a_key() {
        for loopback in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(settings(loopback, None).is_ok(), "{loopback}");
        }
        for wide in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            let refused = settings(wide, None).map(drop).unwrap_err().to_string();
            assert!(refused.contains("POSTHASTE_ADMIN_KEY"), "{refused}");
            assert!(settings(wide, Some("exactly-24-characters-xx")).is_ok());
        }
    }

    #[test]
    fn a_short_key_is_refused_even_on_loopback_and_never_shown() {
        let refused = settings("127.0.0.1:1", Some("only-23-characters-here")).map(drop).unwrap_err().to_string();
        assert!(refused.contains("24") && !refused.contains("only-23"), "{refused}");
    }
}
