//! What tests of this driver publish and record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use posthaste_core::delivery::{Next, Progress};
use posthaste_core::endpoint::{EndpointSettings, OnFailed, SealedSecrets};
use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{
    Attempt, DeliveryId, Endpoint, EndpointId, EndpointState, Message, MessageId, Outcome, Target, Tenant,
    TopicPattern, WaitingFor,
};
use posthaste_store::queue::{BatchRow, Exchange, From, Owner, Wait};
use posthaste_store::{
    Catalog as _, CatalogVersion, Coordination as _, Directory as _, Group, Joined, NewMessage, NodeInfo, Settled,
};
use posthaste_store_postgres::{PostgresOptions, PostgresStore};

/// One node on a database.
pub struct Node {
    pub store: PostgresStore,
    pub joined: Joined,
    pub matched: CatalogVersion,
    pub tenant: Tenant,
    counter: AtomicU32,
}

impl Node {
    pub async fn join(url: &str, options: &PostgresOptions) -> Self {
        let store = PostgresStore::connect(url, options).await.unwrap();
        let info = NodeInfo { version: "1".into(), roles: vec!["api".into()] };
        let joined = store.join(&info).await.unwrap();
        let tenant = Tenant::default_tenant();
        let matched = store.load_tenant(&tenant).await.unwrap().version;
        Self { store, joined, matched, tenant, counter: AtomicU32::new(0) }
    }

    pub async fn endpoint(&mut self, bits: u128) -> EndpointId {
        let id = EndpointId::from_bits(bits);
        let endpoint = Endpoint {
            id,
            tenant: self.tenant.clone(),
            uid: None,
            adhoc: false,
            settings: EndpointSettings::new("https://example.com".into(), vec![TopicPattern::all()]),
            state: EndpointState::Active,
            state_reason: None,
            challenge: None,
            secrets: SealedSecrets(Vec::new()),
            revision: 1,
            created_at: self.joined.now,
            updated_at: self.joined.now,
        };
        if self.store.endpoint(id).await.unwrap().is_none() {
            self.store.create_endpoint(&endpoint, 0).await.unwrap();
        }
        self.matched = self.store.load_tenant(&self.tenant).await.unwrap().version;
        id
    }

    /// A message to these endpoints, all of them direct.
    pub fn message(&self, endpoints: &[EndpointId]) -> NewMessage {
        let id = MessageId::compose(self.joined.now, self.joined.number, self.counter.fetch_add(1, Ordering::Relaxed));
        let targets = endpoints.iter().map(|endpoint| Target { endpoint: *endpoint, revision: 1 }).collect();
        let message = Message {
            id,
            tenant: self.tenant.clone(),
            topic: None,
            content_type: "application/json".into(),
            targets,
            batch: BatchId::from_bits(id.bits()),
            deliver_at: None,
            extras: MessageExtras::default(),
        };
        NewMessage {
            message: Arc::new(message),
            payload: Bytes::from_static(b"{}"),
            idempotency: None,
            waits: Vec::new(),
        }
    }

    /// The same, all of them waiting.
    pub fn waiting(&self, endpoints: &[EndpointId]) -> NewMessage {
        let mut new = self.message(endpoints);
        let due_at = self.joined.now;
        let positions = 1..=u32::try_from(endpoints.len()).unwrap();
        new.waits =
            positions.map(|position| Wait { position, due_at, waiting_for: WaitingFor::Breaker, order: 7 }).collect();
        new
    }

    /// These messages as one group with a batch of its own.
    pub fn group(&self, messages: Vec<NewMessage>) -> Group {
        let batch = BatchId::from_bits(messages[0].message.id.bits());
        let in_batch = |new: NewMessage| {
            let message = Arc::new(Message { batch, ..(*new.message).clone() });
            NewMessage { message, ..new }
        };
        let messages = messages.into_iter().map(in_batch).collect();
        Group {
            batch,
            row: BatchRow::Insert,
            consumes: Vec::new(),
            owner: Owner::Publisher,
            matched: self.matched,
            messages,
        }
    }

    /// The first exchange of a delivery of a batch, and what becomes of it.
    pub fn settled(&self, batch: BatchId, delivery: DeliveryId, endpoint: EndpointId, next: Next) -> Settled {
        let outcome = if next == Next::Succeeded { Outcome::Succeeded } else { Outcome::Rejected };
        let attempt = Attempt {
            id: delivery.attempt(1, self.joined.number),
            endpoint,
            endpoint_revision: 1,
            tenant: self.tenant.clone(),
            number: 1,
            at: self.joined.now,
            duration_micros: 5,
            outcome,
            status_code: Some(200),
            error: None,
        };
        Settled {
            delivery,
            endpoint,
            tenant: self.tenant.clone(),
            from: From::Batch(batch),
            attempt: Some(Exchange { attempt, capture: None }),
            next,
            progress: Progress { attempts: 1, ..Progress::default() },
            on_failed: OnFailed::Continue,
            at: self.joined.now,
        }
    }
}
