//! What an engine call can answer instead of doing its work. Transports render these; they add none of their own rules.

use std::time::Duration;

use http::StatusCode;
use posthaste_store::{Conflict, StoreError};

/// The result of every use case.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// One thing that is wrong with what the caller gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) to the member.
    pub pointer: String,
    /// What is wrong and what to give instead; a sentence without a full stop.
    pub detail: String,
}

impl FieldError {
    /// Names one member.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Why a use case was not carried out. Nothing was stored, unless the variant says otherwise. Can be told to several who
/// asked together.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The input breaks a rule; each member that does is named.
    #[error("{}", .0.first().map_or("the input is not valid", |first| first.detail.as_str()))]
    Invalid(Vec<FieldError>),
    /// No key, or none that is known.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The key's scopes or tenant do not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or it is another tenant's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It collides with what is there.
    #[error("{detail}")]
    Conflict {
        /// A stable word in `snake_case`.
        code: &'static str,
        /// What to do.
        detail: String,
    },
    /// `If-Match` names another revision.
    #[error("the object has changed: read it again and repeat with its new ETag")]
    PreconditionFailed,
    /// Larger than is accepted.
    #[error("{detail}")]
    TooLarge {
        /// What is too large and how large it may be.
        detail: String,
    },
    /// A queue is full or the server is stopping; the same request may be repeated later.
    #[error("{detail}")]
    Busy {
        /// Why.
        detail: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The database does not answer. Whether a publish was stored is unknown; with an idempotency key it is safe to
    /// repeat.
    #[error("the database does not answer; try again")]
    Unavailable,
    /// A defect; its details are in the log, not in the answer.
    #[error("something failed inside the server; its log says what")]
    Internal(String),
}

impl EngineError {
    /// One member is wrong.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// The stable word of this error in problem documents and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict { code, .. } => code,
            Self::PreconditionFailed => "precondition_failed",
            Self::TooLarge { .. } => "too_large",
            Self::Busy { .. } => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

impl EngineError {
    /// What a transport over HTTP answers with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy { .. } | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(source) => {
                tracing::warn!(error = %source, "the database does not answer");
                Self::Unavailable
            }
            StoreError::Conflict(conflict) => Self::from(conflict),
            StoreError::NotFound => Self::NotFound("object"),
            StoreError::LeaseLost => Self::Unavailable,
            other => {
                tracing::error!(error = %other, source = ?std::error::Error::source(&other), "the store failed");
                Self::Internal(other.to_string())
            }
        }
    }
}

impl From<Conflict> for EngineError {
    fn from(conflict: Conflict) -> Self {
        let code = match conflict {
            Conflict::TopicExists => "topic_exists",
            Conflict::TopicInUse => "topic_in_use",
            Conflict::UidTaken => "uid_taken",
            Conflict::IdTaken => "id_taken",
            Conflict::RevisionMoved => "changed_meanwhile",
            Conflict::TooManyAdhoc => "too_many_adhoc_endpoints",
            Conflict::TooManyJobs => "too_many_jobs",
            Conflict::WrongState => "wrong_state",
        };
        Self::Conflict { code, detail: conflict.to_string() }
    }
}
