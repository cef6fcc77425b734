//! What can go wrong at the store's border: few classes, told apart by what the caller should do.

/// Why a verb did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or it went away in the middle. What a write did is unknown: repeat it with the
    /// same ids.
    #[error("the database is not reachable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The verb was refused because of what is already there; nothing was written.
    #[error("{0}")]
    Conflict(Conflict),
    /// What the verb is about does not exist; nothing was written.
    #[error("not found")]
    NotFound,
    /// The node's lease was taken over; nothing was written.
    #[error("this node's lease was taken over")]
    LeaseLost,
    /// The database belongs to a newer version of Posthaste.
    #[error("the database has schema version {found}, this program knows {known}: run a newer posthaste")]
    NewerSchema {
        /// What the database says.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// Another process has this database file open.
    #[error("{path} is in use by another posthaste process: stop that one, or use another file")]
    InUse {
        /// The database file.
        path: String,
    },
    /// The database refused or returned something that this version does not understand; a defect or a full disk.
    #[error("the database failed: {0}")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a write collided with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A topic of that name exists for that tenant.
    #[error("a topic of this name exists already")]
    TopicExists,
    /// Endpoints name the topic.
    #[error("endpoints name this topic")]
    TopicInUse,
    /// The uid is taken for that tenant and kind.
    #[error("this uid is taken")]
    UidTaken,
    /// The id is taken; only an ad-hoc endpoint that two nodes make at once meets it.
    #[error("this id is taken")]
    IdTaken,
    /// The object changed since it was read.
    #[error("it was changed meanwhile")]
    RevisionMoved,
    /// As many jobs run as may.
    #[error("too many replays and erasures are running: wait for some to end")]
    TooManyJobs,
    /// The tenant has as many ad-hoc endpoints as it may.
    #[error("the tenant has too many ad-hoc endpoints")]
    TooManyAdhoc,
    /// The delivery is not in a state that the verb can change.
    #[error("the delivery's state does not allow it")]
    WrongState,
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl StoreError {
    /// Wraps a driver's error that says nothing about the connection.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// Wraps a driver's error after which the connection, and the outcome of a write, is in doubt.
    pub fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into())
    }

    /// Whether the same call may succeed later by itself.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
