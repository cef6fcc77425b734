//! What can go wrong.

use posthaste_engine::{EngineError, StartError};
use posthaste_store::StoreError;

/// Why a call did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the queue names no store that this build has.
    #[error("`{0}` is no queue: use sqlite:PATH (feature `sqlite`) or postgres://… (feature `postgres`)")]
    Url(String),
    /// An option cannot be used.
    #[error("{0}")]
    Option(String),
    /// The store refused or cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The engine refused; the error names the member that is wrong.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The payload cannot be written as JSON.
    #[error("the payload cannot be written as JSON: {0}")]
    Payload(#[source] serde_json::Error),
    /// A resolver failed; nothing was stored.
    #[error("the resolver failed: {0}")]
    Resolver(#[source] Box<dyn std::error::Error + Send + Sync>),
}
