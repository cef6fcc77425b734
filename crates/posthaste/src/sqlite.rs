//! Publishing inside the caller's own transaction on SQLite.

use posthaste_core::MessageId;
use posthaste_store::StoreError;
pub use posthaste_store_sqlite::{TransactionError, rusqlite};

use crate::options::Backend;
use crate::{Error, Message, Posthaste};

/// The caller's own transaction on the queue's file.
#[derive(Debug)]
pub struct Transaction<'a>(&'a posthaste_store_sqlite::Transaction<'a>);

impl Transaction<'_> {
    /// Publishes a message if the transaction commits.
    pub fn publish(&self, message: &Message) -> Result<MessageId, StoreError> {
        self.0.publish(&message.draft())
    }

    /// The connection, for the caller's own tables in the same file. Beginning or ending transactions on it is not for
    /// the caller.
    pub fn connection(&self) -> &rusqlite::Connection {
        self.0.connection()
    }
}

impl Posthaste {
    /// Runs the caller's work in one transaction on the queue's file, which is committed when this returns well: what it
    /// wrote to its own tables and what it published happen together or not at all. The queue waits meanwhile, so the
    /// work has to be short.
    ///
    /// [`Error::Url`] if the queue is not on SQLite.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, TransactionError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let store = match &self.0.backend {
            Backend::Sqlite(store) => store,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => {
                let wrong = Error::Url("postgres".to_owned());
                return Err(TransactionError::Store(StoreError::internal(wrong)));
            }
        };
        let done = store.transaction(move |transaction| work(&Transaction(transaction))).await?;
        self.engine().await.outbox_filled();
        Ok(done)
    }
}
