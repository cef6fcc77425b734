//! PostgreSQL's errors as the store's few classes.

use posthaste_store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Waited longer for a lock than `lock_timeout` allows.
pub(crate) fn is_lock_timeout(error: &Error) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// One of two transactions that stood in each other's way was sent back; the same again works.
pub(crate) fn is_collision(error: &Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE)
}

/// The constraint that was broken.
pub(crate) fn broken_constraint(error: &Error) -> Option<&str> {
    let db = error.as_db_error()?;
    (*db.code() == SqlState::UNIQUE_VIOLATION).then(|| db.constraint().unwrap_or_default())
}

/// The class of an error whose meaning is not the verb's own.
pub(crate) fn classify(error: Error) -> StoreError {
    match error.as_db_error() {
        Some(db) if passes_by_itself(db.code()) => StoreError::unavailable(Described::new(&error)),
        Some(_) => StoreError::internal(Described::new(&error)),
        None if lost_connection(&error) => StoreError::unavailable(error),
        None => StoreError::internal(error),
    }
}

fn lost_connection(error: &Error) -> bool {
    use std::error::Error as _;
    error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The server is stopping, starting, full, a standby, or had the transaction wait too long: later the same may work.
fn passes_by_itself(code: &SqlState) -> bool {
    let code = code.code();
    // 08 connection, 53 resources, 57 operator's intervention, 40 rolled back, 25006 read-only, 25P03 idle too long,
    // 55P03 lock timeout.
    matches!(code.get(..2), Some("08" | "53" | "57" | "40")) || matches!(code, "25006" | "25P03" | "55P03")
}

/// What the server said, in one line, without the statement's values.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Described {
    message: String,
    code: String,
}

impl Described {
    fn new(error: &Error) -> Self {
        let db = error.as_db_error();
        Self {
            message: db.map_or_else(|| error.to_string(), |db| db.message().to_owned()),
            code: error.code().map(|code| code.code().to_owned()).unwrap_or_default(),
        }
    }
}

/// What was read is not what this version writes.
#[derive(Debug, thiserror::Error)]
#[error("the database holds a {0} that this version cannot read")]
pub(crate) struct Unreadable(pub &'static str);

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::internal(unreadable)
    }
}
