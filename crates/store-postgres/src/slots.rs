//! A fixed number of connections for one purpose, which come back by themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use posthaste_store::{Result, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::connect::Connector;
use crate::session::{Plans, Session};

/// The first pause after a connection could not be made; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest that a verb waits for its turn on a connection.
const TURN: Duration = Duration::from_secs(10);

/// Connections for one purpose: no other purpose's load can take them.
#[derive(Clone)]
pub(crate) struct Slots(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    plans: Plans,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    trouble: Mutex<Option<Trouble>>,
}

/// The server could not be reached a moment ago.
#[derive(Clone, Copy)]
struct Trouble {
    pause: Duration,
    until: Instant,
}

/// One connection, for as long as this lives.
pub(crate) struct Slot {
    session: Option<Session>,
    shared: Arc<Shared>,
    _turn: OwnedSemaphorePermit,
}

impl Slots {
    /// So many connections, made when they are first needed.
    pub fn new(connector: Arc<Connector>, size: usize, plans: Plans) -> Self {
        Self(Arc::new(Shared {
            connector,
            plans,
            turns: Arc::new(Semaphore::new(size.max(1))),
            idle: Mutex::new(Vec::new()),
            trouble: Mutex::new(None),
        }))
    }

    /// A connection, as soon as one is free.
    pub async fn take(&self) -> Result<Slot> {
        let turn = match tokio::time::timeout(TURN, self.0.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(closed)) => return Err(StoreError::internal(closed)),
            Err(_) => return Err(StoreError::unavailable("no connection became free within 10 seconds")),
        };
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let session = match idle {
            Some(session) if !session.is_closed() && session.tidy().await.is_ok() => session,
            _ => self.0.reconnect().await?,
        };
        Ok(Slot { session: Some(session), shared: self.0.clone(), _turn: turn })
    }
}

impl Shared {
    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconnect(&self) -> Result<Session> {
        let known = *self.trouble();
        if let Some(trouble) = known {
            tokio::time::sleep_until(trouble.until).await;
        }
        match self.connector.connect(self.plans).await {
            Ok(session) => {
                *self.trouble() = None;
                Ok(session)
            }
            Err(error) => {
                let pause = known.map_or(FIRST_PAUSE, |trouble| (trouble.pause * 2).min(LONGEST_PAUSE));
                *self.trouble() = Some(Trouble { pause, until: Instant::now() + pause });
                Err(error)
            }
        }
    }
}

impl std::ops::Deref for Slot {
    type Target = Session;

    #[expect(clippy::expect_used, reason = "the session is taken out only by Drop")]
    fn deref(&self) -> &Session {
        self.session.as_ref().expect("a slot has its session until it is dropped")
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(session) = self.session.take().filter(|session| !session.is_closed()) {
            self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }
}
