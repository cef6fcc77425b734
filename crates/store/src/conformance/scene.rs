//! What a case begins with: a database, a node that has joined, and short words for what cases do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use posthaste_core::delivery::{Due, Next, Placement, Progress};
use posthaste_core::endpoint::{EndpointSettings, OnFailed, SealedSecrets};
use posthaste_core::id::{BatchId, MessageIds, NodeId};
use posthaste_core::message::MessageExtras;
use posthaste_core::{
    Attempt, Capture, CloseReason, Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, EndpointState, Lane,
    Message, Outcome, Target, Tenant, Timestamp, TopicName, WaitingFor,
};

use super::Database;
use crate::coordination::{Joined, NodeInfo, ShardSet};
use crate::queue::{BatchRow, Exchange, From, IdempotencyKey, Owner, Rest, Wait};
use crate::{Accepted, Claimed, Flush, Group, NewMessage, Published, Recorded, Settled, Store};

/// A case's surroundings.
pub struct Scene {
    database: Box<dyn Database>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The node that joined first.
    pub first: Joined,
    /// When that was; cases count from here.
    pub now: Timestamp,
    /// The tenant of what the scene makes.
    pub tenant: Tenant,
    mint: Mutex<Mint>,
}

struct Mint {
    messages: MessageIds,
    endpoints: u32,
}

/// A message to be published.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) tenant: Tenant,
    pub(super) topic: Option<TopicName>,
    pub(super) payload: Bytes,
    pub(super) targets: Vec<Target>,
    pub(super) waits: Vec<Wait>,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) extras: MessageExtras,
}

impl Draft {
    /// Has every target wait until then, for that.
    pub(super) fn waits(mut self, due_at: Timestamp, waiting_for: WaitingFor) -> Self {
        let positions = 1..=u32::try_from(self.targets.len()).expect("few");
        self.waits = positions.map(|position| Wait { position, due_at, waiting_for, order: 0 }).collect();
        self
    }

    /// Has every target wait in its endpoint's ordered lane.
    pub(super) fn ordered(mut self, due_at: Timestamp) -> Self {
        self = self.waits(due_at, WaitingFor::Order);
        for (wait, target) in self.waits.iter_mut().zip(&self.targets) {
            wait.order = Lane::ordered(target.endpoint, None).order;
        }
        self
    }

    pub(super) fn key(mut self, key: &str, request: u8) -> Self {
        self.key = Some(IdempotencyKey { verb: "messages", key: key.to_owned(), request_hash: [request; 32] });
        self
    }

    pub(super) fn uid(mut self, uid: &str) -> Self {
        self.extras.uid = Some(uid.to_owned());
        self
    }

    pub(super) fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = tenant.parse().expect("a tenant");
        self
    }

    pub(super) fn topic(mut self, topic: &str) -> Self {
        self.topic = Some(topic.parse().expect("a topic"));
        self
    }
}

impl Scene {
    /// Opens the database and joins.
    pub async fn new(database: Box<dyn Database>) -> Self {
        let store = database.open().await;
        let first = store.join(&info()).await.expect("a node joins");
        store.maintain(first.now).await.expect("a new database is made ready");
        Self {
            database,
            store,
            first,
            now: first.now,
            tenant: "acme".parse().expect("a tenant"),
            mint: Mutex::new(Mint { messages: MessageIds::new(first.number), endpoints: 0 }),
        }
    }

    /// The first node's fence.
    pub(super) fn node(&self) -> NodeId {
        self.first.node
    }

    /// Another process on the same database.
    pub(super) async fn another(&self) -> Arc<dyn Store> {
        self.database.open().await
    }

    /// A node after the first one has died: what the first does from now on is stale.
    pub(super) async fn successor(&self) -> Joined {
        let joined = self.store.join(&info()).await.expect("a node joins");
        let peers = self.store.peers().await.expect("peers are read");
        // Where one process alone may have the database, joining has removed the first.
        if let Some(first) = peers.iter().find(|peer| peer.node == self.node()) {
            assert!(self.store.take_over(first.node, first.beat).await.expect("a dead node is taken over"));
        }
        joined
    }

    /// So many seconds after the case began.
    pub(super) fn at(&self, seconds: u64) -> Timestamp {
        self.now + Duration::from_secs(seconds)
    }

    /// An endpoint of the scene's tenant that wants everything, not stored.
    pub(super) fn unstored_endpoint(&self) -> Endpoint {
        let mut mint = lock(&self.mint);
        mint.endpoints += 1;
        let number = u128::from(mint.endpoints);
        // Shards are the last byte: neighbours differ in it.
        let id = EndpointId::random(self.now, (number << 8) | ((number * 37) & 0xff));
        let settings = EndpointSettings::new(
            format!("https://receiver.example/{number}"),
            vec!["order.*".parse().expect("a pattern")],
        );
        Endpoint {
            id,
            tenant: self.tenant.clone(),
            uid: None,
            adhoc: false,
            settings,
            state: EndpointState::Active,
            state_reason: None,
            challenge: None,
            secrets: SealedSecrets(vec![0, 1, 2, 255]),
            revision: 1,
            created_at: self.now,
            updated_at: self.now,
        }
    }

    /// One that is stored.
    pub(super) async fn endpoint(&self) -> Endpoint {
        let endpoint = self.unstored_endpoint();
        self.store.create_endpoint(&endpoint, 10).await.expect("an endpoint is created");
        endpoint
    }

    /// A message to these endpoints.
    pub(super) fn draft(&self, endpoints: &[&Endpoint]) -> Draft {
        Draft {
            tenant: self.tenant.clone(),
            topic: Some("order.created".parse().expect("a topic")),
            payload: Bytes::from_static(b"{\"n\": 1}"),
            targets: endpoints.iter().map(|one| Target { endpoint: one.id, revision: one.revision }).collect(),
            waits: Vec::new(),
            key: None,
            extras: MessageExtras::default(),
        }
    }

    /// A group of these, matched with the catalog as it is now.
    pub(super) async fn group(&self, drafts: Vec<Draft>) -> Group {
        let matched = self.store.load_tenant(&self.tenant).await.expect("the catalog loads").version;
        let mut messages: Vec<NewMessage> = drafts.into_iter().map(|draft| self.mint(draft)).collect();
        let batch = BatchId::from_bits(messages.first().map_or(0, |first| first.message.id.bits()));
        for message in &mut messages {
            Arc::make_mut(&mut message.message).batch = batch;
        }
        Group { batch, row: BatchRow::Insert, consumes: Vec::new(), owner: Owner::Publisher, matched, messages }
    }

    fn mint(&self, draft: Draft) -> NewMessage {
        let id = lock(&self.mint).messages.mint(self.now);
        let message = Message {
            id,
            tenant: draft.tenant,
            topic: draft.topic,
            content_type: "application/json".to_owned(),
            targets: draft.targets,
            batch: BatchId::from_bits(id.bits()),
            deliver_at: None,
            extras: draft.extras,
        };
        NewMessage { message: Arc::new(message), payload: draft.payload, idempotency: draft.key, waits: draft.waits }
    }

    /// Publishes a group of these by the first node; every one has to be new.
    pub(super) async fn publish(&self, drafts: Vec<Draft>) -> Group {
        let group = self.group(drafts).await;
        assert_eq!(self.commit(&group).await, vec![Accepted::New; group.messages.len()]);
        group
    }

    /// Publishes a group by the first node; it has to be committed.
    pub(super) async fn commit(&self, group: &Group) -> Vec<Accepted> {
        match self.store.publish(self.node(), group).await.expect("a group is published") {
            Published::Committed(accepted) => accepted,
            other => panic!("not committed: {other:?}"),
        }
    }

    /// One message to one endpoint, in its batch.
    pub(super) async fn one_in_batch(&self) -> Owed {
        let endpoint = self.endpoint().await;
        let group = self.publish(vec![self.draft(&[&endpoint])]).await;
        Owed { endpoint: endpoint.id, delivery: first(&group), from: From::Batch(group.batch), batch: group.batch }
    }

    /// One message to one endpoint, due now.
    pub(super) async fn one_waiting(&self) -> Owed {
        let endpoint = self.endpoint().await;
        let draft = self.draft(&[&endpoint]).waits(self.now, WaitingFor::Schedule);
        let group = self.publish(vec![draft]).await;
        let from = From::Due { attempts: 0 };
        Owed { endpoint: endpoint.id, delivery: first(&group), from, batch: group.batch }
    }

    /// What happened to a delivery: its `number`-th attempt by the node with that number in ids.
    pub(super) fn attempted(&self, owed: &Owed, number: u32, node: u16, next: Next) -> Settled {
        let succeeded = next == Next::Succeeded;
        let status = if succeeded { 200 } else { 503 };
        let attempt = Attempt {
            id: owed.delivery.attempt(number, node),
            endpoint: owed.endpoint,
            endpoint_revision: 1,
            tenant: self.tenant.clone(),
            number,
            at: self.at(u64::from(number)),
            duration_micros: 1_234,
            outcome: if succeeded { Outcome::Succeeded } else { Outcome::Rejected },
            status_code: Some(status),
            error: (!succeeded).then(|| "status 503".to_owned()),
        };
        let capture = Capture {
            http_version: "HTTP/1.1".to_owned(),
            reason: "Whatever".to_owned(),
            headers: vec![("x-odd".to_owned(), vec![0, 255])],
            body: vec![0, 159, 255],
            truncated: true,
        };
        Settled {
            delivery: owed.delivery,
            endpoint: owed.endpoint,
            tenant: self.tenant.clone(),
            from: owed.from,
            attempt: Some(Exchange { attempt, capture: Some(capture) }),
            next,
            progress: Progress {
                attempts: number,
                failures: if succeeded { number - 1 } else { number },
                last_status_code: Some(status),
                last_error: (!succeeded).then(|| "status 503".to_owned()),
            },
            on_failed: OnFailed::Continue,
            at: self.at(u64::from(number)),
        }
    }

    /// Moves a delivery without an exchange.
    pub(super) fn moved(&self, owed: &Owed, next: Next) -> Settled {
        let progress = Progress::default();
        Settled { attempt: None, progress, ..self.attempted(owed, 1, self.first.number, next) }
    }

    pub(super) async fn record(&self, settled: Vec<Settled>) -> Recorded {
        self.record_by(self.node(), settled).await
    }

    pub(super) async fn record_by(&self, node: NodeId, settled: Vec<Settled>) -> Recorded {
        let flush = Flush { settled, ..Flush::default() };
        self.store.record(node, &flush).await.expect("what happened is recorded")
    }

    pub(super) async fn delivery(&self, id: DeliveryId) -> Delivery {
        self.store.delivery(id).await.expect("a delivery is read").expect("it is there")
    }

    /// Where it is.
    pub(super) async fn place(&self, id: DeliveryId) -> Placement {
        self.delivery(id).await.placement
    }

    /// Where it is, in a word.
    pub(super) async fn word(&self, id: DeliveryId) -> &'static str {
        word(&self.place(id).await)
    }

    /// Its row in `due`.
    pub(super) async fn due(&self, id: DeliveryId) -> Due {
        match self.place(id).await {
            Placement::Due(due) => due,
            other => panic!("not waiting: {other:?}"),
        }
    }

    /// Claims as that node until nothing is free.
    pub(super) async fn claim_all(&self, node: NodeId) -> Vec<Claimed> {
        self.store.claim_batches(node, 1_000).await.expect("batches are claimed")
    }

    /// The lanes that are ready at that time, in their order.
    pub(super) async fn ready(&self, at: Timestamp) -> Vec<Lane> {
        let lanes = self.store.ready_lanes(&all_shards(), at, 1_000).await.expect("lanes are read");
        lanes.into_iter().map(|ready| ready.lane).collect()
    }

    /// Lets a ready lane rest, as its owner does after it has read it.
    pub(super) async fn rest(&self, lane: Lane, at: Timestamp, rest: Rest) {
        let lanes = self.store.ready_lanes(&all_shards(), at, 1_000).await.expect("lanes are read");
        let ready = lanes.into_iter().find(|ready| ready.lane == lane).expect("the lane is ready");
        let rested = self.store.rest_lane(self.node(), lane, ready.writes, rest).await.expect("a lane rests");
        assert!(rested, "nothing came meanwhile");
    }
}

/// One delivery that a case is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    pub(super) endpoint: EndpointId,
    pub(super) delivery: DeliveryId,
    pub(super) from: From,
    pub(super) batch: BatchId,
}

impl Owed {
    /// The same once it waits with so many attempts behind it.
    pub(super) fn after(self, attempts: u32) -> Self {
        Self { from: From::Due { attempts }, ..self }
    }
    pub(super) fn lane(self) -> Lane {
        Lane::unordered(self.endpoint)
    }
}

/// A group's first delivery.
pub(super) fn first(group: &Group) -> DeliveryId {
    group.messages.first().expect("a message").message.id.delivery(1)
}

pub(super) fn retry(due_at: Timestamp) -> Next {
    Next::Wait { due_at, waiting_for: WaitingFor::Retry }
}

pub(super) fn fail() -> Next {
    Next::Close { status: DeliveryStatus::Failed, reason: CloseReason::AttemptsExhausted }
}

pub(super) fn all_shards() -> ShardSet {
    (0..=u8::MAX).collect()
}

pub(super) fn info() -> NodeInfo {
    NodeInfo { version: "1.2.3".to_owned(), roles: vec!["api".to_owned(), "deliver".to_owned()] }
}

pub(super) fn word(placement: &Placement) -> &'static str {
    match placement {
        Placement::Succeeded { .. } => "succeeded",
        Placement::Closed(closed) if closed.status == DeliveryStatus::Cancelled => "cancelled",
        Placement::Closed(_) => "failed",
        Placement::Due(_) => "due",
        Placement::Batch => "batch",
        Placement::Missing => "missing",
    }
}

/// Everything that is left of claimed batches.
pub(super) fn left(claimed: &[Claimed]) -> Vec<DeliveryId> {
    let unsent = claimed.iter().flat_map(|claimed| &claimed.left);
    let mut left: Vec<DeliveryId> = unsent.flat_map(|unsent| unsent.deliveries.clone()).collect();
    left.sort();
    left
}

pub(super) fn notes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
