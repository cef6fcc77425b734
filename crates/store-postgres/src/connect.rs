//! From a URL to a connection.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use posthaste_store::{Result, StoreError};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::session::{Plans, Prepare, Session};
use crate::tls::{self, Proof};

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long data may go unacknowledged before the connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// How the store connects.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Certificate authorities to trust instead of the system's, in PEM. With it even `sslmode=require` demands proof.
    pub ca: Option<PathBuf>,
    /// Connections that commit what is published: one for each committer of the engine, since one that waits for a lock
    /// must not take its place from another.
    pub publish_connections: usize,
    /// Connections for reads, and for the smaller writes.
    pub work_connections: usize,
    /// Whether a pooler stands between that hands out another server process for each transaction: nothing is prepared
    /// then, and settings travel with each transaction. Slower.
    pub pooled: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { ca: None, publish_connections: 4, work_connections: 4, pooled: false }
    }
}

/// Makes connections.
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    prepare: Prepare,
}

impl Connector {
    /// Reads a URL: `postgres://user:password@host:port/database?sslmode=…`.
    pub fn new(url: &str, options: &PostgresOptions) -> Result<Self> {
        let (plain, asked) = Asked::read(url);
        // The parser's message could repeat a part of the URL, and with it the password.
        let unusable =
            || StoreError::internal("the database URL is not of the form postgres://user@host:port/database");
        let mut config = Config::from_str(&plain).map_err(|_| unusable())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unusable());
        }
        let ca = options.ca.clone().or(asked.root_certificate);
        if asked.verify {
            config.ssl_mode(SslMode::Require);
        }
        let demanded = asked.verify || (config.get_ssl_mode() == SslMode::Require && ca.is_some());
        let tls = tls::connector(if demanded { Proof::Demanded } else { Proof::Waived }, ca.as_deref())?;
        if config.get_application_name().is_none() {
            config.application_name("posthaste");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.tcp_user_timeout(UNACKNOWLEDGED);
        let prepare = if options.pooled { Prepare::Never } else { Prepare::Kept };
        Ok(Self { config, tls, prepare })
    }

    /// One connection, ready for use.
    pub async fn connect(&self, plans: Plans) -> Result<Session> {
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(|error| self.explain(&error))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the task is the other half of the client: it ends when that is dropped, so shutdown has nothing to wait for"
        )]
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to PostgreSQL broke; another will be made");
            }
        });
        Session::begin(client, self.prepare, plans).await.map_err(|error| self.explain(&error))
    }

    /// Says where it was tried, never with which password.
    fn explain(&self, error: &Error) -> StoreError {
        use std::error::Error as _;
        let hosts: Vec<String> = self.config.get_hosts().iter().map(host_name).collect();
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let said = error.as_db_error().map_or_else(|| format!("{error}{cause}"), |db| db.message().to_owned());
        StoreError::unavailable(format!("PostgreSQL at {} (port {port}): {said}", hosts.join(", ")))
    }
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// What libpq's URLs can say and the client library does not read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    verify: bool,
    root_certificate: Option<PathBuf>,
}

impl Asked {
    /// The URL without those parameters, and what they said.
    fn read(url: &str) -> (String, Self) {
        let mut asked = Self::default();
        let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), asked) };
        let kept: Vec<&str> = query.split('&').filter(|pair| !asked.takes(pair)).collect();
        (if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }, asked)
    }

    fn takes(&mut self, pair: &str) -> bool {
        match pair.split_once('=') {
            // The client library checks the name whenever it checks at all, so the weaker of the two is the stronger here.
            Some(("sslmode", "verify-full" | "verify-ca")) => self.verify = true,
            Some(("sslrootcert", path)) => self.root_certificate = Some(path.replace("%2F", "/").into()),
            // libpq's `allow` tries without first; hiding what is said is never worse.
            Some(("sslmode", "allow")) => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_that_verify_are_read_from_the_url() {
        let (plain, asked) = Asked::read("postgres://u@h/d?sslmode=verify-full&sslrootcert=/a/ca.pem&options=-c%20x");
        assert_eq!(plain, "postgres://u@h/d?options=-c%20x");
        assert_eq!(asked, Asked { verify: true, root_certificate: Some("/a/ca.pem".into()) });
        assert_eq!(Asked::read("postgres://u@h/d?sslmode=require").0, "postgres://u@h/d?sslmode=require");
    }

    #[test]
    fn an_unusable_url_is_refused_without_being_repeated() {
        let Err(error) = Connector::new("postgres://u:hunter2@h:notaport/d", &PostgresOptions::default()) else {
            panic!("it is no URL");
        };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
