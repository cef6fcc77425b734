//! The queue's verbs, each on the thread that it belongs to.

use std::sync::Arc;

use async_trait::async_trait;
use posthaste_core::delivery::{Closed, Delivery};
use posthaste_core::id::NodeId;
use posthaste_core::{DeliveryId, EndpointId, Lane, MessageId, Timestamp};
use posthaste_store::queue::{DueDelivery, ReadyLane, Rest};
use posthaste_store::{Claimed, Flush, Group, Published, Queue, Recorded, Result, ShardSet};

use crate::record::Work;
use crate::{SqliteStore, change, claim, lanes, publish, record};

#[async_trait]
impl Queue for SqliteStore {
    async fn publish(&self, node: NodeId, group: &Group) -> Result<Published> {
        let group = group.clone();
        self.write(move |connection| publish::publish(connection, node, &group)).await
    }

    async fn record(&self, node: NodeId, flush: &Flush) -> Result<Recorded> {
        let work = Work::of(flush);
        self.write(move |connection| record::record(connection, node, &work)).await
    }

    async fn claim_batches(&self, node: NodeId, limit: u32) -> Result<Vec<Claimed>> {
        self.write(move |connection| claim::claim(connection, node, limit)).await
    }

    async fn ready_lanes(&self, shards: &ShardSet, now: Timestamp, limit: u32) -> Result<Vec<ReadyLane>> {
        let shards = *shards;
        self.read(move |connection| lanes::ready(connection, &shards, now, limit)).await
    }

    async fn lane_head(&self, lane: Lane, limit: u32) -> Result<Vec<DueDelivery>> {
        let wide = Arc::clone(&self.inner.wide);
        self.read(move |connection| lanes::head(connection, &wide, lane, limit)).await
    }

    async fn mark_sending(&self, node: NodeId, rows: &[(EndpointId, DeliveryId)]) -> Result<Vec<DeliveryId>> {
        let rows = rows.to_vec();
        self.write(move |connection| lanes::mark_sending(connection, node, &rows)).await
    }

    async fn lane_due(
        &self,
        endpoint: EndpointId,
        after: Option<(Timestamp, DeliveryId)>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDelivery>> {
        let wide = Arc::clone(&self.inner.wide);
        self.read(move |connection| lanes::due(connection, &wide, endpoint, after, now, limit)).await
    }

    async fn rest_lane(&self, node: NodeId, lane: Lane, seen_writes: i64, rest: Rest) -> Result<bool> {
        self.write(move |connection| lanes::rest(connection, node, lane, seen_writes, rest)).await
    }

    async fn release_lanes(&self, endpoint: EndpointId, now: Timestamp) -> Result<()> {
        self.write(move |connection| lanes::release(connection, endpoint, now)).await
    }

    async fn cancel_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Closed> {
        self.write(move |connection| change::cancel(connection, id, now)).await
    }

    async fn cancel_message(&self, id: MessageId, now: Timestamp) -> Result<Vec<DeliveryId>> {
        self.write(move |connection| change::cancel_message(connection, id, now)).await
    }

    async fn retry_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<Delivery> {
        self.write(move |connection| change::retry_delivery(connection, id, now)).await
    }
}
