//! A few connections that only read, lent to blocking threads for one short read each.

use std::sync::{Arc, Mutex, PoisonError};

use posthaste_store::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::fault::Fault;

/// The connections that are not lent.
#[derive(Debug)]
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// How many reads can run at once.
    pub(crate) const COUNT: usize = 4;

    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self { free: Mutex::new(connections), permits }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn read<T, F>(readers: &Arc<Readers>, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    let permit = Arc::clone(&readers.permits).acquire_owned().await.map_err(StoreError::unavailable)?;
    let lender = Arc::clone(readers);
    let reading = tokio::task::spawn_blocking(move || {
        // Held here, so that a read whose caller went away still counts as long as it runs.
        let _permit = permit;
        let Some(connection) = lender.free().pop() else {
            return Err(StoreError::unavailable("every reading connection is busy").into());
        };
        let outcome = snapshot(&connection, work);
        lender.free().push(connection);
        outcome
    });
    Ok(reading.await.map_err(StoreError::unavailable)??)
}

fn snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    // Dropped without a commit: there is nothing to keep.
    let transaction = connection.unchecked_transaction()?;
    work(&transaction)
}
