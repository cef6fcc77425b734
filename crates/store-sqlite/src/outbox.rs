//! What applications left to be published.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use posthaste_core::MessageId;
use posthaste_core::id::COUNTER_LIMIT;
use posthaste_core::schedule::OUTBOX_NODE;
use posthaste_store::outbox::OutboxRow;
use posthaste_store::{Outbox, Result, StoreError};
use rusqlite::{Connection, Row, params};

use crate::coordination::clock;
use crate::fault::Fault;
use crate::{SqliteStore, rows};

fn outbox_row(row: &Row<'_>) -> Result<OutboxRow, Fault> {
    Ok(OutboxRow { n: row.get(0)?, id: rows::id(row, 1)?, at: rows::at(row, 2)?, draft: row.get(3)? })
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("outbox/page"))?;
            let mut found = statement.query([limit])?;
            let mut waiting = Vec::new();
            while let Some(row) = found.next()? {
                waiting.push(outbox_row(row)?);
            }
            Ok(waiting)
        })
        .await
    }

    async fn outbox_row(&self, id: MessageId) -> Result<Option<OutboxRow>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql!("outbox/get"))?;
            let mut found = statement.query([id.to_bytes()])?;
            found.next()?.map(outbox_row).transpose()
        })
        .await
    }

    async fn leave_in_outbox(&self, row: &OutboxRow) -> Result<()> {
        let row = row.clone();
        self.write(move |connection| leave(connection, &row)).await
    }
}

fn leave(connection: &Connection, row: &OutboxRow) -> Result<(), Fault> {
    let mut insert = connection.prepare_cached(sql!("outbox/insert"))?;
    insert.execute(params![row.id.to_bytes(), row.at.as_micros(), row.draft])?;
    Ok(())
}

/// The caller's own transaction on the store's file, on its writer thread: what is done in it and what is published in
/// it happen together or not at all.
#[derive(Debug)]
pub struct Transaction<'a>(&'a Connection);

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError<E> {
    /// The caller's own work failed; everything it did is undone.
    #[error("{0}")]
    Work(E),
    /// The database refused or cannot be reached.
    #[error(transparent)]
    Store(StoreError),
}

impl Transaction<'_> {
    /// Leaves a message in the outbox and says which id it will have. A draft is a message as `POST /v1/messages` takes
    /// it, a JSON document.
    pub fn publish(&self, draft: &str) -> Result<MessageId, StoreError> {
        self.leave(draft).map_err(StoreError::from)
    }

    fn leave(&self, draft: &str) -> Result<MessageId, Fault> {
        let n: i64 = self.0.prepare_cached(sql!("outbox/number"))?.query_row([], |row| row.get(0))?;
        let at = clock();
        let counter = u32::try_from(n.rem_euclid(i64::from(COUNTER_LIMIT))).unwrap_or(0);
        let id = MessageId::compose(at, OUTBOX_NODE, counter);
        leave(self.0, &OutboxRow { n: 0, id, at, draft: draft.to_owned() })?;
        Ok(id)
    }

    /// The connection, for the caller's own tables. Beginning or ending transactions on it is not for the caller.
    pub fn connection(&self) -> &Connection {
        self.0
    }
}

impl SqliteStore {
    /// Runs the caller's work in a transaction on the writer thread; committed when this returns well. Nothing else is
    /// written meanwhile, so it has to be short.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, TransactionError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let failed = Arc::new(Mutex::new(None));
        let failure = Arc::clone(&failed);
        let written = self
            .write(move |connection| {
                work(&Transaction(connection)).map_err(|error| {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    // Said to the writer alone, which undoes what was done.
                    StoreError::internal("the caller's work failed").into()
                })
            })
            .await;
        let failure = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (written, failure) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(failure)) => Err(TransactionError::Work(failure)),
            (Err(error), None) => Err(TransactionError::Store(error)),
        }
    }
}
