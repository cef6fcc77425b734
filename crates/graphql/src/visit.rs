//! One operation's companion: who asks, and what was read for them already.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::Context;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use posthaste_core::{Endpoint, EndpointId, Message, MessageId};
use posthaste_engine::access::Access;
use posthaste_engine::{Caller, Engine, EngineError, Result};
use tokio::sync::{Mutex, OnceCell, Semaphore, SemaphorePermit};

use crate::limits::{BYTES, READS, READS_AT_ONCE};

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

/// One object that many others may refer to: read once, by the first that asks.
type Once<T> = Arc<OnceCell<T>>;
type Cache<K, T> = Mutex<HashMap<K, Once<T>>>;

/// One operation.
///
/// The store reads endpoints, messages and attempts one by one, so the relations of a list cannot be read in one go.
/// Instead each object is read once an operation, a few at a time, and there is a bound on how many are read at all.
pub struct Visit {
    /// Who asks.
    pub visitor: Visitor,
    /// The same, known and named.
    pub caller: Caller,
    room: Semaphore,
    reads: AtomicUsize,
    bytes: AtomicUsize,
    endpoints: Cache<EndpointId, Option<Endpoint>>,
    messages: Cache<MessageId, Option<Message>>,
}

impl Visit {
    /// Begins an operation.
    pub fn new(visitor: Visitor, caller: Caller) -> Self {
        Self {
            visitor,
            caller,
            room: Semaphore::new(READS_AT_ONCE),
            reads: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            endpoints: Cache::default(),
            messages: Cache::default(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.visitor.engine
    }

    /// Room for one read of a relation, if the operation may make another one.
    pub async fn read(&self) -> Result<SemaphorePermit<'_>> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= READS {
            let detail = format!(
                "the relations of what is listed need more than {READS} reads: ask for smaller pages, or list them by \
                 themselves"
            );
            return Err(EngineError::TooLarge { detail });
        }
        self.room.acquire().await.map_err(|error| EngineError::Internal(error.to_string()))
    }

    /// An endpoint that something refers to; `None`: it is gone.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>> {
        let cell = self.endpoints.lock().await.entry(id).or_default().clone();
        let found = cell
            .get_or_try_init(async || {
                let _room = self.read().await?;
                present(self.engine().endpoint(&self.caller, None, &id.to_string()).await)
            })
            .await?;
        Ok(found.clone())
    }

    /// A message that something refers to; `None`: it is gone.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        let cell = self.messages.lock().await.entry(id).or_default().clone();
        let found = cell
            .get_or_try_init(async || -> Result<Option<Message>> {
                let _room = self.read().await?;
                let found = present(self.engine().message(&self.caller, None, &id.to_string()).await)?;
                // Its payload may be large; whoever wants it asks for it.
                Ok(found.map(|detail| detail.message))
            })
            .await?;
        Ok(found.clone())
    }

    /// A message's payload; `None`: it is past its age.
    pub async fn payload(&self, id: MessageId) -> Result<Option<Bytes>> {
        let _room = self.read().await?;
        let found = present(self.engine().message(&self.caller, None, &id.to_string()).await)?;
        let payload = found.and_then(|detail| detail.payload);
        self.show(payload.as_ref().map_or(0, Bytes::len))?;
        Ok(payload)
    }

    /// Counts bytes that are about to be shown.
    pub fn show(&self, bytes: usize) -> Result<()> {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= BYTES {
            return Ok(());
        }
        let detail = format!("the payloads and bodies asked for are more than {BYTES} bytes: ask for smaller pages");
        Err(EngineError::TooLarge { detail })
    }
}

/// What is not there is no error where something refers to it: things go when they are past their age.
fn present<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The operation that a field belongs to.
pub fn of<'a>(context: &Context<'a>) -> &'a Visit {
    context.data_unchecked::<Visit>()
}
