//! The store on SQLite: one writer thread, WAL, short readers.
//!
//! There is one process per database file (a lock file sees to it) and one writer in it, so no verb here needs a row
//! lock: what the boundary's documents say about locks holds because writes happen one after the other. What remains of
//! the protocol is what a crash or a repeated call can do.

/// The text of one statement, from `sql/<name>.sql`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql"))
    };
}

mod accept;
mod capture;
mod catalog;
mod change;
mod checkpoint;
mod claim;
mod coordination;
mod directory;
mod endpoints;
mod erase;
mod expiry;
mod fault;
mod history;
mod jobs;
mod lanes;
mod lists;
mod open;
mod outbox;
mod place;
mod publish;
mod queue;
mod readers;
mod record;
mod relations;
mod retention;
mod rows;
mod schedules;
mod stats;
mod wide;
mod writer;

use std::sync::Arc;

use posthaste_store::StoreError;
use rusqlite::Connection;

use crate::fault::Fault;

pub use open::SCHEMA_VERSION;
pub use outbox::{Transaction, TransactionError};
pub use rusqlite;

/// A SQLite database file as a store. Clones share it; the file is let go when the last one is dropped.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

// Fields are dropped in this order: the lock goes last, when nothing uses the file any more.
#[derive(Debug)]
struct Inner {
    _checkpointer: checkpoint::Checkpointer,
    writer: writer::Writer,
    readers: Arc<readers::Readers>,
    wide: Arc<wide::WideMessages>,
    _file: open::DatabaseFile,
}

impl SqliteStore {
    /// Opens (and makes, if it is not there) the database file at `path`, or a throwaway one for `:memory:`, and brings
    /// its schema up to date.
    ///
    /// [`StoreError::InUse`] while another process, or another store of this one, has it open;
    /// [`StoreError::NewerSchema`] if a newer version wrote it.
    pub async fn open(path: &str) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || open::open(&path)).await;
        let inner = opened.map_err(StoreError::unavailable)??;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the schema's version is in the file at `path`, without changing it; 0 if there is no schema yet.
    pub async fn schema_version(path: &str) -> Result<i64, StoreError> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || open::schema_version(&path)).await;
        Ok(read.map_err(StoreError::unavailable)??)
    }

    /// Runs a read on a connection of its own, in one snapshot.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        readers::read(&self.inner.readers, work).await
    }

    /// Runs a write on the writer thread, whole or not at all; it is committed when this returns.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.inner.writer.write(work).await
    }
}
