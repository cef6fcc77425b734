//! What goes wrong inside this driver, and which of the boundary's few classes that is.

use posthaste_store::{Conflict, StoreError};

/// Why a statement or a decoding did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// SQLite said no.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The verb refuses, by the rules of the boundary.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// A document that this version cannot read.
    #[error("unreadable document: {0}")]
    Document(#[from] serde_json::Error),
    /// A column that this version cannot read.
    #[error("unreadable column: {0}")]
    Unreadable(&'static str),
    /// The file system said no.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

impl From<Conflict> for Fault {
    fn from(conflict: Conflict) -> Self {
        Self::Refused(StoreError::Conflict(conflict))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            // Somebody else holds a lock for longer than the timeout: a backup program, perhaps. It passes.
            Fault::Sql(error) if is_busy(&error) => Self::unavailable(error),
            other => Self::internal(other),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}
