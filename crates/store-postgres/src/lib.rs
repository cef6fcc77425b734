//! The store on PostgreSQL (14 or newer): what a fleet of nodes shares.
//!
//! Everything lives in the schema `posthaste`. History is insert-only and partitioned by day; what changes is small.
//! SQL stands in `sql/`, one file for each statement, with the reason for each lock beside it. A transaction's
//! statements are sent together, without waiting for one another, wherever no answer decides the next.

mod accept;
mod cancel;
mod capture;
mod catalog;
mod claim;
mod connect;
mod coordination;
mod directory;
mod expiry;
mod fault;
mod history;
mod jobs;
mod lanes;
mod migrate;
mod outbox;
mod param;
mod partitions;
mod place;
mod publish;
mod queue;
mod record;
mod relations;
mod retention;
mod retry;
mod rows;
mod schedules;
mod session;
mod slots;
mod tls;

use std::sync::Arc;

use posthaste_store::Result;

pub use connect::PostgresOptions;
pub use migrate::{SchemaVersion, schema_version};
pub use outbox::{OutboxMessage, publish_in};
pub use tokio_postgres::{self, GenericClient};

use connect::Connector;
use session::Plans;
use slots::Slots;

/// The store on one PostgreSQL database. Clones share their connections.
#[derive(Clone)]
pub struct PostgresStore {
    /// Group commits.
    publishing: Slots,
    /// Outcomes, one flush at a time.
    recording: Slots,
    /// The lease's renewal waits for nobody.
    beating: Slots,
    /// Everything else.
    working: Slots,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresStore(…)")
    }
}

impl PostgresStore {
    /// Connects, and brings the schema to this version under a lock.
    /// [`posthaste_store::StoreError::Unavailable`] names the host if it does not answer.
    pub async fn connect(url: &str, options: &PostgresOptions) -> Result<Self> {
        let connector = Arc::new(Connector::new(url, options)?);
        let first = connector.connect(Plans::Fresh).await?;
        migrate::migrate(&first).await?;
        let store = Self {
            publishing: Slots::new(connector.clone(), options.publish_connections, Plans::Kept),
            recording: Slots::new(connector.clone(), 1, Plans::Kept),
            beating: Slots::new(connector.clone(), 1, Plans::Kept),
            working: Slots::new(connector, options.work_connections, Plans::Fresh),
        };
        let now = partitions::clock(&store).await?;
        partitions::ahead(&store, now).await?;
        Ok(store)
    }

    /// Which schema version the database has; changes nothing.
    pub async fn check(url: &str, options: &PostgresOptions) -> Result<SchemaVersion> {
        let session = Connector::new(url, options)?.connect(Plans::Fresh).await?;
        migrate::check(&session).await
    }
}
