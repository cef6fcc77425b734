//! Receivers over real HTTP that write down all that reaches them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use posthaste_core::Secret;
use posthaste_core::signature::ID_HEADER;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Result};
use crate::receiver;
use crate::server::connections::Connections;
use crate::server::listener;

/// How a receiver behaves.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Answers at once.
    Healthy,
    /// Takes its time.
    Slow(Duration),
    /// Answers 503 for so long after its first request.
    Down(Duration),
}

/// What the demo's events carry.
#[derive(Debug, Deserialize)]
struct Event {
    /// When it was published, in microseconds since the demo began.
    published_micros: u64,
}

/// What has arrived.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Requests of each message, and how many of them were answered with a success.
    messages: HashMap<String, (u32, u32)>,
    /// From the publisher's call to the first successful answer, in microseconds.
    pub micros: Vec<u64>,
    /// All requests.
    pub requests: u64,
    /// Those whose signature was right.
    pub verified: u64,
    /// Those answered with 503.
    pub refused: u64,
    first: Option<Instant>,
}

impl Ledger {
    /// Messages that were answered with a success.
    pub fn delivered(&self) -> u64 {
        self.count(|_, successes| successes > 0)
    }

    /// Messages that took more than one request.
    pub fn retried(&self) -> u64 {
        self.count(|requests, successes| requests > 1 && successes > 0)
    }

    /// Messages that were answered with a success more than once.
    pub fn duplicated(&self) -> u64 {
        self.count(|_, successes| successes > 1)
    }

    fn count(&self, which: impl Fn(u32, u32) -> bool) -> u64 {
        let found = self.messages.values().filter(|(requests, successes)| which(*requests, *successes)).count();
        u64::try_from(found).unwrap_or(u64::MAX)
    }
}

/// One receiver.
pub struct Receiver {
    /// What it is called.
    pub name: &'static str,
    /// How it behaves.
    pub manner: Manner,
    /// The topics that it wants.
    pub topics: &'static str,
    /// Its signing secret.
    pub secret: Secret,
    began: Instant,
    ledger: Mutex<Ledger>,
}

impl Receiver {
    /// A receiver that nothing has reached yet.
    pub fn new(name: &'static str, topics: &'static str, manner: Manner, began: Instant) -> Result<Arc<Self>> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| Failure::new(format!("the system gives no randomness: {error}")))?;
        let secret = Secret::generate(random);
        Ok(Arc::new(Self { name, manner, topics, secret, began, ledger: Mutex::default() }))
    }

    /// Listens on a free port of this machine.
    pub fn listen(self: &Arc<Self>, connections: &Connections, stop: CancellationToken) -> Result<SocketAddr> {
        let listener = listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr().map_err(|error| Failure::new(error.to_string()))?;
        let router = Router::new().fallback(receive).with_state(self.clone());
        // It ends with `stop`; the drain of the connections waits for it.
        drop(connections.accept(listener, router, stop));
        Ok(address)
    }

    /// What has arrived so far.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down and decides its answer.
    fn judge(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let verified = receiver::verify(&self.secret, headers, body, receiver::now_seconds()).is_ok();
        let id = headers.get(ID_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut ledger = self.ledger();
        ledger.requests += 1;
        let first = *ledger.first.get_or_insert_with(Instant::now);
        let down = matches!(self.manner, Manner::Down(time) if first.elapsed() < time);
        let status = match (verified, down) {
            (false, _) => StatusCode::UNAUTHORIZED,
            (true, true) => StatusCode::SERVICE_UNAVAILABLE,
            (true, false) => StatusCode::NO_CONTENT,
        };
        ledger.verified += u64::from(verified);
        ledger.refused += u64::from(down);
        let seen = ledger.messages.entry(id).or_default();
        seen.0 += 1;
        if status.is_success() {
            seen.1 += 1;
            if seen.1 == 1
                && let Ok(event) = serde_json::from_slice::<Event>(body)
            {
                let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
                ledger.micros.push(now.saturating_sub(event.published_micros));
            }
        }
        status
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if let Manner::Slow(time) = receiver.manner {
        tokio::time::sleep(time).await;
    }
    receiver.judge(&headers, &body)
}
