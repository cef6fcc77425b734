//! Reading many things at once: what the items of a list refer to, and the first page of what belongs to each of them.
//!
//! Whoever shows a list with its relations would otherwise read them one by one: a list of fifty deliveries with their
//! messages and attempts would be a hundred calls. Each verb here is one call and one snapshot, whatever the number.
//!
//! `tenant` bounds what exists: with one, what is another tenant's is left out as if it were not there.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{
    Attempt, Capture, Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, Message, MessageId, Tenant,
};

use crate::Result;
use crate::history::{MAX_EXAMINED, Slice};

/// The most ids or parents that a caller gives to one verb.
pub const MANY: usize = 500;

/// Which deliveries of each parent are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Firsts {
    /// Only this tenant's.
    pub tenant: Option<Tenant>,
    /// Only in this state.
    pub status: Option<DeliveryStatus>,
    /// At most this many of each parent, at least 1.
    pub limit: u32,
}

impl Firsts {
    /// How many rows are examined of each of so many parents. A state is only known once a delivery was looked at, so
    /// more are looked at than are shown: over all parents about as many as a page of a list examines.
    pub fn examined(&self, parents: usize) -> usize {
        let page = usize::try_from(self.limit.max(1)).unwrap_or(usize::MAX).saturating_add(1);
        match self.status {
            None => page,
            Some(_) => page.max(usize::try_from(MAX_EXAMINED).unwrap_or(usize::MAX) / parents.max(1)),
        }
    }
}

/// Whether what was kept of responses is read along with attempts; it may be large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Captures {
    /// It is.
    Read,
    /// Attempts come without it.
    Left,
}

/// Payloads, as far as they fitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payloads {
    /// Those that are there.
    pub found: HashMap<MessageId, Bytes>,
    /// How many of the ids, from the first on, were looked at; the others did not fit any more.
    pub looked_at: usize,
}

/// The first page of what belongs to each parent; parents of which there is nothing may be left out.
pub type FirstPages<K, T> = HashMap<K, Slice<T>>;

/// Reading by many ids, and the beginnings of many lists. The things come in no order, each once; what is not there is
/// left out.
#[async_trait]
pub trait Relations: Send + Sync {
    /// Messages.
    async fn messages_by_id(&self, tenant: Option<&Tenant>, ids: &[MessageId]) -> Result<Vec<Message>>;

    /// Messages' payloads in the order of the ids, each of them given once, until the next one would make it more than
    /// `most_bytes`; at least one is looked at.
    async fn payloads_by_id(&self, tenant: Option<&Tenant>, ids: &[MessageId], most_bytes: u64) -> Result<Payloads>;

    /// Endpoints.
    async fn endpoints_by_id(&self, tenant: Option<&Tenant>, ids: &[EndpointId]) -> Result<Vec<Endpoint>>;

    /// What endpoints' settings were at revisions; also of deleted endpoints.
    async fn endpoint_revisions(
        &self,
        wanted: &[(EndpointId, u32)],
    ) -> Result<HashMap<(EndpointId, u32), EndpointSettings>>;

    /// Deliveries, each with its place.
    async fn deliveries_by_id(&self, tenant: Option<&Tenant>, ids: &[DeliveryId]) -> Result<Vec<Delivery>>;

    /// The newest deliveries of each message. [`Slice::next`] goes on in [`crate::History::deliveries`] with the same
    /// filters, here and in the following verb.
    async fn deliveries_of_messages(
        &self,
        firsts: &Firsts,
        messages: &[MessageId],
    ) -> Result<FirstPages<MessageId, Delivery>>;

    /// The newest deliveries to each endpoint.
    async fn deliveries_of_endpoints(
        &self,
        firsts: &Firsts,
        endpoints: &[EndpointId],
    ) -> Result<FirstPages<EndpointId, Delivery>>;

    /// The newest attempts of each delivery, at most `limit` of each. [`Slice::next`] goes on in
    /// [`crate::History::attempts`].
    async fn attempts_of(
        &self,
        tenant: Option<&Tenant>,
        deliveries: &[DeliveryId],
        limit: u32,
        captures: Captures,
    ) -> Result<FirstPages<DeliveryId, (Attempt, Option<Capture>)>>;
}
