//! One operation's companion: who asks, and how much they have had.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::Context;
use http::{HeaderMap, Uri};
use posthaste_engine::access::Access;
use posthaste_engine::{Caller, Engine, EngineError, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{BYTES, READS, READS_AT_ONCE};
use crate::related::Related;

/// What is known of whoever asks, for as long as they ask.
#[derive(Clone)]
pub struct Visitor {
    /// The engine.
    pub engine: Engine,
    /// Whether a key is needed.
    pub access: Access,
    /// The request's headers, with its key.
    pub headers: Arc<HeaderMap>,
    /// Where it was sent.
    pub uri: Uri,
}

impl Visitor {
    /// Who it is, as the key is worth now.
    pub async fn caller(&self) -> Result<Caller> {
        self.engine.admit(self.access, &self.headers, &self.uri).await
    }

    /// The request's id, if it has one.
    pub fn request_id(&self) -> Option<&str> {
        self.headers.get("x-request-id").and_then(|value| value.to_str().ok())
    }
}

/// One operation.
///
/// What the items of a list refer to is read for all of them at once ([`crate::related`]), a few reads at a time; and
/// there is a bound on how many reads there are at all, and on what they bring.
pub struct Visit {
    /// Who asks.
    pub visitor: Visitor,
    /// The same, known and named.
    pub caller: Caller,
    pub(crate) related: Related,
    room: Semaphore,
    spent: Arc<Spent>,
}

/// How much of what it may ask for an operation has had.
#[derive(Debug, Default)]
pub struct Spent {
    reads: AtomicUsize,
    held: AtomicUsize,
    shown: AtomicUsize,
}

impl Spent {
    /// Begins anew: a subscription shows its next event.
    pub fn renew(&self) {
        for counter in [&self.reads, &self.held, &self.shown] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

impl Visit {
    /// Begins an operation.
    pub fn new(visitor: Visitor, caller: Caller) -> Self {
        let room = Semaphore::new(READS_AT_ONCE);
        Self { visitor, caller, related: Related::default(), room, spent: Arc::default() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.visitor.engine
    }

    /// What it has had so far.
    pub fn spent(&self) -> Arc<Spent> {
        Arc::clone(&self.spent)
    }

    /// Room for one read of relations, if the operation may make another one.
    pub async fn read(&self) -> Result<SemaphorePermit<'_>> {
        if self.spent.reads.fetch_add(1, Ordering::Relaxed) >= READS {
            let detail = format!(
                "the relations of what is listed need more than {READS} reads: ask for smaller pages, or list them by \
                 themselves"
            );
            return Err(EngineError::TooLarge { detail });
        }
        self.room.acquire().await.map_err(|error| EngineError::Internal(error.to_string()))
    }

    /// Counts bytes that were read in order to be shown.
    pub fn hold(&self, bytes: usize) -> Result<()> {
        count(&self.spent.held, bytes)
    }

    /// Counts bytes that are about to be shown.
    pub fn show(&self, bytes: usize) -> Result<()> {
        count(&self.spent.shown, bytes)
    }
}

fn count(counter: &AtomicUsize, bytes: usize) -> Result<()> {
    if counter.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= BYTES {
        return Ok(());
    }
    let detail = format!("the payloads and bodies asked for are more than {BYTES} bytes: ask for smaller pages");
    Err(EngineError::TooLarge { detail })
}

/// The operation that a field belongs to.
pub fn of<'a>(context: &Context<'a>) -> &'a Visit {
    context.data_unchecked::<Visit>()
}
