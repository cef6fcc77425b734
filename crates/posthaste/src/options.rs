//! How a queue is opened.

use std::sync::Arc;

use posthaste_core::address::AllowList;
use posthaste_store::Store;

use crate::{Error, Posthaste};

/// How a queue is opened; the defaults suit a program that delivers to the public internet.
#[derive(Debug, Clone)]
pub struct Options {
    url: String,
    allow: Vec<String>,
    secret_key: Option<String>,
    retry_forever: bool,
}

impl Options {
    /// A queue at `sqlite:PATH` or `postgres://…`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), allow: Vec::new(), secret_key: None, retry_forever: false }
    }

    /// Permits addresses that the guard would refuse: a network such as `127.0.0.0/8` or `10.0.0.0/8`.
    #[must_use]
    pub fn allow_net(mut self, network: impl Into<String>) -> Self {
        self.allow.push(network.into());
        self
    }

    /// Seals the signing secrets in the database; at least 24 characters. Without it they lie there as they are.
    #[must_use]
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.secret_key = Some(key.into());
        self
    }

    /// Never gives a delivery up: URLs registered or fired at from now on are tried until they take it, with pauses of
    /// up to ten hours, and are not disabled.
    #[must_use]
    pub fn retry_forever(mut self) -> Self {
        self.retry_forever = true;
        self
    }

    /// Opens it.
    pub async fn open(self) -> Result<Posthaste, Error> {
        let mut networks = Vec::with_capacity(self.allow.len());
        for network in &self.allow {
            let parsed: ipnet::IpNet = network
                .parse()
                .map_err(|_| Error::Option(format!("allow_net `{network}`: write a network such as 10.0.0.0/8")))?;
            networks.push(parsed);
        }
        let allow = AllowList::new(networks);
        let backend = Backend::open(&self.url).await?;
        let mut options = posthaste_engine::Options {
            egress: posthaste_engine::egress::EgressOptions {
                allow: allow.clone(),
                ..posthaste_engine::egress::EgressOptions::default()
            },
            allow,
            secret_key: self.secret_key,
            // A topic comes into being when something is registered for it or fired at it.
            auto_topics: true,
            commit_width: backend.commit_width(),
            ..posthaste_engine::Options::default()
        };
        if self.retry_forever {
            options.patience = posthaste_engine::Patience::Endless;
        }
        Posthaste::from_parts(backend, options).await
    }
}

/// The store behind a queue.
#[derive(Clone)]
pub(crate) enum Backend {
    /// A file.
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<posthaste_store_sqlite::SqliteStore>),
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres(Arc<posthaste_store_postgres::PostgresStore>),
}

impl Backend {
    async fn open(url: &str) -> Result<Self, Error> {
        #[cfg(feature = "sqlite")]
        if let Some(path) = url.strip_prefix("sqlite:") {
            let store = posthaste_store_sqlite::SqliteStore::open(path).await?;
            return Ok(Self::Sqlite(Arc::new(store)));
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = posthaste_store_postgres::PostgresOptions::default();
            let store = posthaste_store_postgres::PostgresStore::connect(url, &options).await?;
            return Ok(Self::Postgres(Arc::new(store)));
        }
        Err(Error::Url(url.split('@').next_back().unwrap_or_default().to_owned()))
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.clone(),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.clone(),
        }
    }

    /// How many group commits are worth running at once.
    fn commit_width(&self) -> usize {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => 1,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => 2,
        }
    }
}
