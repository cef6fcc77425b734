//! An engine on a store of its own, and what tests do with it.

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::delivery::{CloseReason, Placement};
use posthaste_core::{DeliveryId, DeliveryStatus, Endpoint};
use posthaste_engine::deliveries::DeliveryDetail;
use posthaste_engine::ingest::{Draft, Envelope, Receipt};
use posthaste_engine::{AttemptLog, Caller, Engine, Options};
use posthaste_store::{Page, Settled, Store};
use posthaste_store_sqlite::SqliteStore;
use posthaste_testkit::PATIENCE;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Rings at each flush of outcomes.
struct Bell(watch::Sender<usize>);

impl AttemptLog for Bell {
    fn attempts(&self, settled: &[Settled]) {
        self.0.send_modify(|count| *count += settled.len());
    }
}

/// One engine.
pub struct Site {
    pub engine: Engine,
    pub admin: Caller,
    flushed: watch::Receiver<usize>,
}

impl Site {
    /// On a database in memory.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// On a database in memory, with changed options.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let store = SqliteStore::open(":memory:").await.unwrap();
        Self::on(Arc::new(store), change).await
    }

    /// On a database file.
    pub async fn at(path: &std::path::Path) -> Self {
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        Self::on(Arc::new(store), |_| {}).await
    }

    /// On any store.
    pub async fn on(store: Arc<dyn Store>, change: impl FnOnce(&mut Options)) -> Self {
        let (ring, flushed) = watch::channel(0);
        let mut options = Options { auto_topics: true, attempt_log: Some(Arc::new(Bell(ring))), ..Options::default() };
        options.allow = "127.0.0.0/8".parse().unwrap();
        change(&mut options);
        options.egress.allow = options.allow.clone();
        let engine = Engine::start(store, options).await.unwrap();
        Self { engine, admin: Caller::admin(), flushed }
    }

    /// An endpoint for topic `t`, with these further members.
    pub async fn endpoint(&self, url: &str, members: Value) -> Endpoint {
        let mut body = json!({"url": url, "topics": ["t"]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.engine.create_endpoint(&self.admin, body).await.unwrap().0
    }

    /// A message on topic `t`.
    pub async fn publish(&self, payload: Value) -> Receipt {
        self.publish_as(json!({"topic": "t", "payload": payload})).await
    }

    /// A message with these members.
    pub async fn publish_as(&self, members: Value) -> Receipt {
        self.try_publish(members).await.unwrap()
    }

    /// A message that may be refused.
    pub async fn try_publish(&self, members: Value) -> posthaste_engine::Result<Receipt> {
        let text = members.to_string();
        let draft: Draft<'_> = serde_json::from_str(&text).unwrap();
        let envelope = Envelope { request_bytes: text.clone().into(), ..Envelope::default() };
        self.engine.publish(&self.admin, draft, envelope).await
    }

    /// A delivery as it is shown.
    pub async fn delivery(&self, id: DeliveryId) -> DeliveryDetail {
        self.engine.delivery(&self.admin, &id.to_string()).await.unwrap()
    }

    /// Waits until a delivery is as the test wants it; looks again whenever something was recorded here, and now and then
    /// for what another node did.
    pub async fn until(&self, id: DeliveryId, what: &str, test: impl Fn(&DeliveryDetail) -> bool) -> DeliveryDetail {
        let mut flushed = self.flushed.clone();
        let look = async {
            loop {
                flushed.borrow_and_update();
                let detail = self.delivery(id).await;
                if test(&detail) {
                    return detail;
                }
                let _ = tokio::time::timeout(Duration::from_millis(200), flushed.changed()).await;
            }
        };
        if let Ok(detail) = tokio::time::timeout(PATIENCE, look).await {
            return detail;
        }
        panic!("waited until {what}: {:?}", self.delivery(id).await)
    }

    /// Waits until a delivery has this status.
    pub async fn until_status(&self, id: DeliveryId, status: DeliveryStatus) -> DeliveryDetail {
        self.until(id, &format!("{status:?}"), |detail| detail.delivery.status() == status).await
    }

    /// A delivery's attempts, oldest first.
    pub async fn attempts(&self, id: DeliveryId) -> Vec<posthaste_core::Attempt> {
        let page = self.engine.attempts(&self.admin, &id.to_string(), Page::first(100)).await.unwrap();
        page.items.into_iter().rev().map(|detail| detail.attempt).collect()
    }

    /// Ends the engine.
    pub async fn stop(self) {
        self.engine.stop(Duration::from_secs(5)).await;
    }
}

/// Retries at once, for a while.
pub fn at_once() -> Value {
    json!({"schedule_seconds": [0.01], "jitter": 0})
}

/// Why a delivery ended without success.
pub fn reason(detail: &DeliveryDetail) -> Option<CloseReason> {
    match &detail.delivery.placement {
        Placement::Closed(closed) => Some(closed.reason),
        _ => None,
    }
}
