//! The relations of what is shown: each is asked for by every item of a list, and read for all of them at once.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{DeliveryId, DeliveryStatus, EndpointId, Message, MessageId};
use posthaste_engine::Result;
use posthaste_engine::deliveries::DeliveryDetail;
use posthaste_engine::related::Exchanges;
use posthaste_store::Slice;
use posthaste_store::relations::Captures;

use crate::endpoints::Endpoint;
use crate::limits::PAYLOADS;
use crate::loader::Loader;
use crate::visit::Visit;

/// A message as relations need it: its targets, of which there may be very many, are only counted.
pub struct Known {
    /// The message, without targets.
    pub message: Message,
    /// How many it had.
    pub deliveries: usize,
}

/// The first page of which parent's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveriesOf<K> {
    /// The message or the endpoint.
    pub parent: K,
    /// Only in this state.
    pub status: Option<DeliveryStatus>,
    /// The length of the page.
    pub limit: u32,
}

/// The first page of which delivery's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptsOf {
    /// The delivery.
    pub parent: DeliveryId,
    /// The length of the page.
    pub limit: u32,
    /// Whether their responses are asked for.
    pub captures: Captures,
}

/// One operation's relations.
#[derive(Default)]
pub struct Related {
    messages: Loader<MessageId, Arc<Known>>,
    payloads: Loader<MessageId, Bytes>,
    endpoints: Loader<EndpointId, Arc<Endpoint>>,
    settings: Loader<(EndpointId, u32), Arc<EndpointSettings>>,
    deliveries: Loader<DeliveryId, Arc<DeliveryDetail>>,
    of_messages: Loader<DeliveriesOf<MessageId>, Arc<Slice<DeliveryDetail>>>,
    of_endpoints: Loader<DeliveriesOf<EndpointId>, Arc<Slice<DeliveryDetail>>>,
    attempts: Loader<AttemptsOf, Arc<Exchanges>>,
}

impl Visit {
    /// A message that something refers to; `None`: it is gone.
    pub async fn message(&self, id: MessageId) -> Result<Option<Arc<Known>>> {
        let read = |ids: Vec<MessageId>| async move {
            let _room = self.read().await?;
            let found = self.engine().messages_by_id(&self.caller, &ids).await?;
            let known = |(id, mut message): (MessageId, Message)| {
                let deliveries = std::mem::take(&mut message.targets).len();
                (id, Arc::new(Known { message, deliveries }))
            };
            Ok(found.into_iter().map(known).collect())
        };
        self.related.messages.load(id, read).await
    }

    /// A message's payload; `None`: it is past its age.
    pub async fn payload(&self, id: MessageId) -> Result<Option<Bytes>> {
        let read = |mut ids: Vec<MessageId>| async move {
            ids.sort_unstable();
            ids.dedup();
            let (mut all, mut left) = (HashMap::with_capacity(ids.len()), ids.as_slice());
            while !left.is_empty() {
                let _room = self.read().await?;
                let some = self.engine().payloads_by_id(&self.caller, left, PAYLOADS).await?;
                self.hold(some.found.values().map(Bytes::len).sum())?;
                all.extend(some.found);
                left = left.get(some.looked_at.max(1)..).unwrap_or_default();
            }
            Ok(all)
        };
        self.related.payloads.load(id, read).await
    }

    /// An endpoint that something refers to; `None`: it is gone.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Arc<Endpoint>>> {
        let read = |ids: Vec<EndpointId>| async move {
            let _room = self.read().await?;
            let found = self.engine().endpoints_by_id(&self.caller, &ids).await?;
            Ok(found.into_iter().map(|(id, endpoint)| (id, Arc::new(Endpoint::from(endpoint)))).collect())
        };
        self.related.endpoints.load(id, read).await
    }

    /// The settings with which an attempt was made; `None`: they are gone.
    pub async fn settings(&self, made_with: (EndpointId, u32)) -> Result<Option<Arc<EndpointSettings>>> {
        let read = |keys: Vec<(EndpointId, u32)>| async move {
            let _room = self.read().await?;
            self.engine().settings_of(&self.caller, &keys).await
        };
        self.related.settings.load(made_with, read).await
    }

    /// A delivery that something refers to; `None`: it is gone.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Arc<DeliveryDetail>>> {
        let read = |ids: Vec<DeliveryId>| async move {
            let _room = self.read().await?;
            let found = self.engine().deliveries_by_id(&self.caller, &ids).await?;
            Ok(found.into_iter().map(|(id, detail)| (id, Arc::new(detail))).collect())
        };
        self.related.deliveries.load(id, read).await
    }

    /// The first page of a message's deliveries.
    pub async fn deliveries_of_message(&self, of: DeliveriesOf<MessageId>) -> Result<Slice<DeliveryDetail>> {
        let read = |keys: Vec<DeliveriesOf<MessageId>>| async move {
            let mut pages = HashMap::with_capacity(keys.len());
            for ((status, limit), ids) in grouped(&keys, |key| ((key.status, key.limit), key.parent)) {
                let _room = self.read().await?;
                let found = self.engine().deliveries_of_messages(&self.caller, status, limit, &ids).await?;
                pages.extend(
                    found.into_iter().map(|(parent, page)| (DeliveriesOf { parent, status, limit }, Arc::new(page))),
                );
            }
            Ok(pages)
        };
        Ok(shown(self.related.of_messages.load(of, read).await?))
    }

    /// The first page of the deliveries to an endpoint.
    pub async fn deliveries_of_endpoint(&self, of: DeliveriesOf<EndpointId>) -> Result<Slice<DeliveryDetail>> {
        let read = |keys: Vec<DeliveriesOf<EndpointId>>| async move {
            let mut pages = HashMap::with_capacity(keys.len());
            for ((status, limit), ids) in grouped(&keys, |key| ((key.status, key.limit), key.parent)) {
                let _room = self.read().await?;
                let found = self.engine().deliveries_of_endpoints(&self.caller, status, limit, &ids).await?;
                pages.extend(
                    found.into_iter().map(|(parent, page)| (DeliveriesOf { parent, status, limit }, Arc::new(page))),
                );
            }
            Ok(pages)
        };
        Ok(shown(self.related.of_endpoints.load(of, read).await?))
    }

    /// The first page of a delivery's attempts.
    pub async fn attempts_of(&self, of: AttemptsOf) -> Result<Exchanges> {
        let read = |keys: Vec<AttemptsOf>| async move {
            let mut pages = HashMap::with_capacity(keys.len());
            for ((limit, captures), ids) in grouped(&keys, |key| ((key.limit, key.captures), key.parent)) {
                let _room = self.read().await?;
                let hold = |bytes| self.hold(bytes);
                let found = self.engine().attempts_of(&self.caller, &ids, limit, captures, hold).await?;
                pages.extend(
                    found.into_iter().map(|(parent, page)| (AttemptsOf { parent, limit, captures }, Arc::new(page))),
                );
            }
            Ok(pages)
        };
        Ok(shown(self.related.attempts.load(of, read).await?))
    }
}

/// Parents with the same arguments are read together.
fn grouped<K, G, P>(keys: &[K], split: impl Fn(&K) -> (G, P)) -> HashMap<G, Vec<P>>
where
    G: Eq + std::hash::Hash,
{
    let mut groups: HashMap<G, Vec<P>> = HashMap::new();
    for (group, parent) in keys.iter().map(split) {
        groups.entry(group).or_default().push(parent);
    }
    groups
}

/// A page of one's own; a parent without any has an empty one.
fn shown<T: Clone>(page: Option<Arc<Slice<T>>>) -> Slice<T> {
    page.map_or(Slice { items: Vec::new(), next: None }, Arc::unwrap_or_clone)
}
