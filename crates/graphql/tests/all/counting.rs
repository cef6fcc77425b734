//! A store that counts what is asked of it, by the verb's name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::delivery::Closed;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::id::NodeId;
use posthaste_core::{
    ApiKey, Attempt, AttemptId, Capture, Delivery, DeliveryId, Endpoint, EndpointId, KeyId, Lane, Message, MessageId,
    ReplayId, Schedule, ScheduleId, Tenant, Timestamp, Topic, TopicName,
};
use posthaste_store::catalog::{EndpointFilter, Force, TopicFilter};
use posthaste_store::history::{DeliveryFilter, EndpointActivity, MessageFilter, Stats};
use posthaste_store::jobs::{Job, JobFilter, Step, Stepped};
use posthaste_store::outbox::OutboxRow;
use posthaste_store::queue::{DueDelivery, ReadyLane, Rest};
use posthaste_store::relations::{Captures, FirstPages, Firsts, Payloads};
use posthaste_store::retention::{Ages, Expired, Pruned};
use posthaste_store::schedules::{Fire, Fired, Leader, ScheduleFilter};
use posthaste_store::{
    Beat, Catalog, CatalogVersion, Changes, Claimed, Coordination, Directory, Flush, Group, History, Jobs, Joined,
    NodeInfo, Outbox, Page, Peer, Published, Queue, Recorded, Relations, Result, Retention, Schedules, ShardSet, Slice,
    TenantCatalog,
};
use posthaste_store_sqlite::SqliteStore;

/// Counts calls and hands them on.
pub struct Counting {
    store: SqliteStore,
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

impl Counting {
    pub fn over(store: SqliteStore) -> Self {
        Self { store, calls: Mutex::default() }
    }

    fn count(&self, verb: &'static str) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(verb).or_default() += 1;
    }

    /// What was read since the last time, verb by verb. What the engine's own chores ask for is left out.
    pub fn take_reads(&self) -> BTreeMap<&'static str, usize> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.retain(|verb, _| READS.contains(verb));
        calls
    }
}

/// The verbs by which people read.
const READS: [&str; 25] = [
    "topics",
    "topic",
    "endpoints",
    "endpoint",
    "endpoint_by_uid",
    "endpoint_revision",
    "messages",
    "message",
    "message_by_uid",
    "payload",
    "deliveries",
    "delivery",
    "attempts",
    "attempt",
    "endpoint_activity",
    "messages_by_id",
    "payloads_by_id",
    "endpoints_by_id",
    "endpoint_revisions",
    "deliveries_by_id",
    "deliveries_of_messages",
    "deliveries_of_endpoints",
    "attempts_of",
    "schedules",
    "jobs",
];

macro_rules! counted {
    ($($trait:ident { $(fn $verb:ident($($name:ident: $type:ty),*) -> $out:ty;)* })*) => {$(
        #[async_trait]
        impl $trait for Counting {
            $(async fn $verb(&self, $($name: $type),*) -> $out {
                self.count(stringify!($verb));
                self.store.$verb($($name),*).await
            })*
        }
    )*};
}

counted! {
    Catalog {
        fn load_tenant(tenant: &Tenant) -> Result<TenantCatalog>;
        fn changes(since: CatalogVersion) -> Result<Changes>;
        fn create_topic(topic: &Topic) -> Result<()>;
        fn update_topic(topic: &Topic) -> Result<()>;
        fn delete_topic(tenant: Option<&Tenant>, name: &TopicName, force: Force, now: Timestamp) -> Result<()>;
        fn create_endpoint(endpoint: &Endpoint, adhoc_limit: u32) -> Result<()>;
        fn update_endpoint(endpoint: &Endpoint, checked: Option<CatalogVersion>) -> Result<()>;
        fn delete_endpoint(id: EndpointId, now: Timestamp) -> Result<()>;
        fn create_key(key: &ApiKey) -> Result<()>;
        fn delete_key(id: KeyId, now: Timestamp) -> Result<()>;
        fn key_by_hash(hash: &[u8; 32]) -> Result<Option<ApiKey>>;
        fn touch_keys(used: &[(KeyId, Timestamp)]) -> Result<()>;
    }
    Directory {
        fn topics(filter: &TopicFilter, page: Page) -> Result<Slice<Topic>>;
        fn topic(tenant: Option<&Tenant>, name: &TopicName) -> Result<Option<Topic>>;
        fn endpoints(filter: &EndpointFilter, page: Page) -> Result<Slice<Endpoint>>;
        fn endpoint(id: EndpointId) -> Result<Option<Endpoint>>;
        fn endpoint_by_uid(tenant: &Tenant, uid: &str) -> Result<Option<Endpoint>>;
        fn endpoint_revision(id: EndpointId, revision: u32) -> Result<Option<EndpointSettings>>;
        fn tenants(after: Option<&Tenant>, limit: u32) -> Result<Vec<Tenant>>;
        fn keys(tenant: Option<&Tenant>, page: Page) -> Result<Slice<ApiKey>>;
        fn key(id: KeyId) -> Result<Option<ApiKey>>;
    }
    Queue {
        fn publish(node: NodeId, group: &Group) -> Result<Published>;
        fn record(node: NodeId, flush: &Flush) -> Result<Recorded>;
        fn claim_batches(node: NodeId, limit: u32) -> Result<Vec<Claimed>>;
        fn ready_lanes(shards: &ShardSet, now: Timestamp, limit: u32) -> Result<Vec<ReadyLane>>;
        fn lane_head(lane: Lane, limit: u32) -> Result<Vec<DueDelivery>>;
        fn mark_sending(node: NodeId, rows: &[(EndpointId, DeliveryId)]) -> Result<Vec<DeliveryId>>;
        fn lane_due(endpoint: EndpointId, after: Option<(Timestamp, DeliveryId)>, now: Timestamp, limit: u32) -> Result<Vec<DueDelivery>>;
        fn rest_lane(node: NodeId, lane: Lane, seen_writes: i64, rest: Rest) -> Result<bool>;
        fn release_lanes(endpoint: EndpointId, now: Timestamp) -> Result<()>;
        fn cancel_delivery(id: DeliveryId, now: Timestamp) -> Result<Closed>;
        fn cancel_message(id: MessageId, now: Timestamp) -> Result<Vec<DeliveryId>>;
        fn retry_delivery(id: DeliveryId, now: Timestamp) -> Result<Delivery>;
    }
    Coordination {
        fn join(info: &NodeInfo) -> Result<Joined>;
        fn beat(node: NodeId, applied: CatalogVersion) -> Result<Beat>;
        fn peers() -> Result<Vec<Peer>>;
        fn take_over(node: NodeId, beat: i64) -> Result<bool>;
        fn leave(node: NodeId) -> Result<()>;
        fn claim_shards(node: NodeId, limit: u32, now: Timestamp) -> Result<Vec<u8>>;
        fn release_shards(node: NodeId, shards: &[u8]) -> Result<()>;
        fn maintain(now: Timestamp) -> Result<()>;
    }
    History {
        fn messages(filter: &MessageFilter, page: Page) -> Result<Slice<Message>>;
        fn message(id: MessageId) -> Result<Option<Message>>;
        fn message_by_uid(tenant: &Tenant, uid: &str) -> Result<Option<Message>>;
        fn payload(id: MessageId) -> Result<Option<Bytes>>;
        fn deliveries(filter: &DeliveryFilter, page: Page) -> Result<Slice<Delivery>>;
        fn delivery(id: DeliveryId) -> Result<Option<Delivery>>;
        fn attempts(delivery: DeliveryId, page: Page) -> Result<Slice<(Attempt, Option<Capture>)>>;
        fn attempt(id: AttemptId) -> Result<Option<(Attempt, Option<Capture>)>>;
        fn endpoint_activity(endpoint: EndpointId, since: Timestamp) -> Result<EndpointActivity>;
        fn stats(tenant: Option<&Tenant>) -> Result<Stats>;
    }
    Relations {
        fn messages_by_id(tenant: Option<&Tenant>, ids: &[MessageId]) -> Result<Vec<Message>>;
        fn payloads_by_id(tenant: Option<&Tenant>, ids: &[MessageId], most_bytes: u64) -> Result<Payloads>;
        fn endpoints_by_id(tenant: Option<&Tenant>, ids: &[EndpointId]) -> Result<Vec<Endpoint>>;
        fn endpoint_revisions(wanted: &[(EndpointId, u32)]) -> Result<HashMap<(EndpointId, u32), EndpointSettings>>;
        fn deliveries_by_id(tenant: Option<&Tenant>, ids: &[DeliveryId]) -> Result<Vec<Delivery>>;
        fn deliveries_of_messages(firsts: &Firsts, messages: &[MessageId]) -> Result<FirstPages<MessageId, Delivery>>;
        fn deliveries_of_endpoints(firsts: &Firsts, endpoints: &[EndpointId]) -> Result<FirstPages<EndpointId, Delivery>>;
        fn attempts_of(tenant: Option<&Tenant>, deliveries: &[DeliveryId], limit: u32, captures: Captures) -> Result<FirstPages<DeliveryId, (Attempt, Option<Capture>)>>;
    }
    Jobs {
        fn create_job(job: &Job) -> Result<()>;
        fn job(id: ReplayId) -> Result<Option<Job>>;
        fn jobs(filter: &JobFilter, page: Page) -> Result<Slice<Job>>;
        fn claim_job(node: NodeId) -> Result<Option<Job>>;
        fn step_job(node: NodeId, id: ReplayId, step: &Step, now: Timestamp) -> Result<Stepped>;
        fn cancel_job(id: ReplayId, now: Timestamp) -> Result<Job>;
    }
    Schedules {
        fn create_schedule(schedule: &Schedule) -> Result<Schedule>;
        fn update_schedule(schedule: &Schedule) -> Result<()>;
        fn delete_schedule(id: ScheduleId) -> Result<()>;
        fn schedule(id: ScheduleId) -> Result<Option<Schedule>>;
        fn schedule_by_uid(tenant: &Tenant, uid: &str) -> Result<Option<Schedule>>;
        fn schedules(filter: &ScheduleFilter, page: Page) -> Result<Slice<Schedule>>;
        fn due_schedules(now: Timestamp, limit: u32) -> Result<Vec<Schedule>>;
        fn next_due() -> Result<Option<Timestamp>>;
        fn fire(leader: Leader, fire: &Fire) -> Result<Fired>;
        fn elect(node: NodeId) -> Result<Leader>;
        fn leader() -> Result<Option<Leader>>;
        fn resign(leader: Leader) -> Result<()>;
    }
    Outbox {
        fn outbox(limit: u32) -> Result<Vec<OutboxRow>>;
        fn outbox_row(id: MessageId) -> Result<Option<OutboxRow>>;
        fn leave_in_outbox(row: &OutboxRow) -> Result<()>;
    }
    Retention {
        fn prune(ages: &Ages, now: Timestamp) -> Result<Pruned>;
        fn expire(before: Timestamp, now: Timestamp, limit: u32) -> Result<Expired>;
    }
}
