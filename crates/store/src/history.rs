//! Reading what happened. Lists are newest first and page by id; every page's work is bounded.

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::{
    Attempt, AttemptId, Capture, Delivery, DeliveryId, DeliveryStatus, EndpointId, Message, MessageId, Tenant,
    Timestamp, TopicName,
};

use crate::Result;

/// How many rows one page examines at the most before it is returned short, with a `next`.
pub const MAX_EXAMINED: u32 = 5_000;

/// Where a page begins and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only ids with fewer bits than this; `None`: from the newest.
    pub before: Option<u128>,
    /// At most this many items, at least 1.
    pub limit: u32,
}

impl Page {
    /// The first page of this length.
    pub const fn first(limit: u32) -> Self {
        Self { before: None, limit }
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice<T> {
    /// What was found; may be fewer than asked for although there is more.
    pub items: Vec<T>,
    /// [`Page::before`] of the next page; `None`: this was the last.
    pub next: Option<u128>,
}

/// Which messages a list shows; members left out do not filter.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
    /// Only of this topic.
    pub topic: Option<TopicName>,
    /// Only with this label.
    pub ordering_key: Option<String>,
    /// Only with all of these notes.
    pub metadata: Vec<(String, String)>,
    /// Only those that were refused after they had been taken (`true`), only the others (`false`).
    pub rejected: Option<bool>,
    /// Only accepted at or after.
    pub since: Option<Timestamp>,
    /// Only accepted before.
    pub until: Option<Timestamp>,
}

impl MessageFilter {
    /// Whether a message passes; for one that was found another way than by the list.
    pub fn shows(&self, message: &Message) -> bool {
        let extras = &message.extras;
        let at = message.created_at();
        self.tenant.as_ref().is_none_or(|tenant| *tenant == message.tenant)
            && self.topic.as_ref().is_none_or(|topic| Some(topic) == message.topic.as_ref())
            && self.ordering_key.as_ref().is_none_or(|key| Some(key) == extras.ordering_key.as_ref())
            && self.metadata.iter().all(|(name, value)| extras.metadata.get(name) == Some(value))
            && self.rejected.is_none_or(|rejected| rejected == extras.rejection.is_some())
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}

/// Which deliveries a list shows; members left out do not filter.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
    /// Only of this message.
    pub message: Option<MessageId>,
    /// Only to this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only in this state.
    pub status: Option<DeliveryStatus>,
    /// Only of this topic.
    pub topic: Option<TopicName>,
    /// Only of messages accepted at or after.
    pub since: Option<Timestamp>,
    /// Only of messages accepted before.
    pub until: Option<Timestamp>,
}

/// Counts over the whole store or one tenant. Counting stops at [`Stats::CAP`], so that the answer stays cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Deliveries waiting in `due`, at most [`Stats::CAP`].
    pub waiting: u64,
    /// Deliveries in batches, an upper bound from the batches' messages, at most [`Stats::CAP`].
    pub in_batches: u64,
    /// Dead letters, at most [`Stats::CAP`].
    pub failed: u64,
    /// When the longest waiting delivery's message was accepted.
    pub oldest_pending_at: Option<Timestamp>,
    /// Registered endpoints.
    pub endpoints: u64,
}

impl Stats {
    /// Where counting stops.
    pub const CAP: u64 = 10_000;
}

/// What happened at one endpoint since an instant, from at most [`MAX_EXAMINED`] of its newest successes and as many
/// failures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndpointActivity {
    /// Durations of successful attempts in microseconds, unordered.
    pub success_micros: Vec<u64>,
    /// How many attempts failed.
    pub failed_attempts: u64,
    /// Deliveries that ended failed.
    pub failed_deliveries: u64,
    /// Deliveries that wait, at most [`Stats::CAP`].
    pub pending: u64,
    /// When the oldest waiting delivery's message was accepted.
    pub oldest_pending_at: Option<Timestamp>,
    /// The newest failed attempt's error.
    pub last_error: Option<String>,
    /// When the newest successful attempt began, whenever that was.
    pub last_success_at: Option<Timestamp>,
}

/// Reading messages, deliveries and attempts.
#[async_trait]
pub trait History: Send + Sync {
    /// Messages, paged by id.
    async fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Slice<Message>>;
    /// One message.
    async fn message(&self, id: MessageId) -> Result<Option<Message>>;
    /// The message with the caller's own id.
    async fn message_by_uid(&self, tenant: &Tenant, uid: &str) -> Result<Option<Message>>;
    /// A message's payload; `None` once it is past its age.
    async fn payload(&self, id: MessageId) -> Result<Option<Bytes>>;
    /// Deliveries, paged by id; each with its place, all in one snapshot.
    async fn deliveries(&self, filter: &DeliveryFilter, page: Page) -> Result<Slice<Delivery>>;
    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;
    /// A delivery's attempts, paged by id.
    async fn attempts(&self, delivery: DeliveryId, page: Page) -> Result<Slice<(Attempt, Option<Capture>)>>;
    /// One attempt with what was kept of its response.
    async fn attempt(&self, id: AttemptId) -> Result<Option<(Attempt, Option<Capture>)>>;
    /// What happened at an endpoint since an instant.
    async fn endpoint_activity(&self, endpoint: EndpointId, since: Timestamp) -> Result<EndpointActivity>;
    /// Counts, for one tenant or all.
    async fn stats(&self, tenant: Option<&Tenant>) -> Result<Stats>;
}
