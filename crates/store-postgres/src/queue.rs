//! [`Queue`]: each verb in its own file, joined here.

use async_trait::async_trait;
use posthaste_core::delivery::Closed;
use posthaste_core::id::NodeId;
use posthaste_core::{Delivery, DeliveryId, EndpointId, Lane, MessageId, Timestamp};
use posthaste_store::queue::{DueDelivery, ReadyLane, Rest};
use posthaste_store::{Claimed, Flush, Group, Published, Queue, Recorded, Result, ShardSet};

use crate::PostgresStore;

#[async_trait]
impl Queue for PostgresStore {
    async fn publish(&self, node: NodeId, group: &Group) -> Result<Published> {
        self.publish_group(node, group).await
    }

    async fn record(&self, node: NodeId, flush: &Flush) -> Result<Recorded> {
        self.record_flush(node, flush).await
    }

    async fn claim_batches(&self, node: NodeId, limit: u32) -> Result<Vec<Claimed>> {
        self.claim(node, limit).await
    }

    async fn ready_lanes(&self, shards: &ShardSet, now: Timestamp, limit: u32) -> Result<Vec<ReadyLane>> {
        self.lanes_ready(shards, now, limit).await
    }

    async fn lane_head(&self, lane: Lane, limit: u32) -> Result<Vec<DueDelivery>> {
        self.head_of(lane, limit).await
    }

    async fn mark_sending(&self, node: NodeId, rows: &[(EndpointId, DeliveryId)]) -> Result<Vec<DeliveryId>> {
        self.mark(node, rows).await
    }

    async fn lane_due(
        &self,
        endpoint: EndpointId,
        after: Option<(Timestamp, DeliveryId)>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDelivery>> {
        self.due_of(endpoint, after, now, limit).await
    }

    async fn rest_lane(&self, node: NodeId, lane: Lane, seen_writes: i64, rest: Rest) -> Result<bool> {
        self.rest(node, lane, seen_writes, rest).await
    }

    async fn release_lanes(&self, endpoint: EndpointId, now: Timestamp) -> Result<()> {
        self.release(endpoint, now).await
    }

    async fn cancel_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Closed> {
        self.cancel_one(id, now).await
    }

    async fn cancel_message(&self, id: MessageId, now: Timestamp) -> Result<Vec<DeliveryId>> {
        self.cancel_all(id, now).await
    }

    async fn retry_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Delivery> {
        self.retry_one(id, now).await
    }
}
