//! What the items of a list refer to, many at once: whoever shows a list with its relations asks once for all its items,
//! not once for each.
//!
//! The rules are those of the single look-ups: what is another tenant's, or is being erased, is left out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use posthaste_core::endpoint::EndpointSettings;
use posthaste_core::{
    Attempt, Capture, Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, Message, MessageId, Scope,
};
use posthaste_store::Slice;
use posthaste_store::history::MAX_EXAMINED;
use posthaste_store::relations::{Captures, FirstPages, Firsts, MANY, Payloads};

use crate::Engine;
use crate::caller::Caller;
use crate::deliveries::DeliveryDetail;
use crate::erasures::{Erasure, hides};
use crate::error::Result;

/// The most attempts that one call reads with what was kept of their responses, up to 16 KiB each.
const CAPTURED: usize = 1_000;

/// The attempts of one delivery, without their requests: those are made again from what [`Engine::settings_of`] and
/// [`Engine::messages_by_id`] say.
pub type Exchanges = Slice<(Attempt, Option<Capture>)>;

impl Engine {
    /// Messages by id.
    pub async fn messages_by_id(&self, caller: &Caller, ids: &[MessageId]) -> Result<HashMap<MessageId, Message>> {
        caller.require(Scope::Read)?;
        let erasures = self.erasures();
        let mut found = HashMap::with_capacity(ids.len());
        for some in unique(ids).chunks(MANY) {
            let messages = self.0.store.messages_by_id(caller.tenant.as_ref(), some).await?;
            let shown = messages.into_iter().filter(|message| !hides(&erasures, message));
            found.extend(shown.map(|message| (message.id, message)));
        }
        Ok(found)
    }

    /// Messages' payloads, as many of them as fit into so many bytes.
    pub async fn payloads_by_id(&self, caller: &Caller, ids: &[MessageId], most_bytes: u64) -> Result<Payloads> {
        caller.require(Scope::Read)?;
        let some = ids.get(..MANY).unwrap_or(ids);
        let erases = !self.erasures().is_empty();
        let shown = if erases { Some(self.messages_by_id(caller, some).await?) } else { None };
        let mut payloads = self.0.store.payloads_by_id(caller.tenant.as_ref(), some, most_bytes).await?;
        payloads.found.retain(|id, _| shown.as_ref().is_none_or(|shown| shown.contains_key(id)));
        Ok(payloads)
    }

    /// Endpoints by id.
    pub async fn endpoints_by_id(&self, caller: &Caller, ids: &[EndpointId]) -> Result<HashMap<EndpointId, Endpoint>> {
        caller.require(Scope::Read)?;
        let mut found = HashMap::with_capacity(ids.len());
        for some in unique(ids).chunks(MANY) {
            let endpoints = self.0.store.endpoints_by_id(caller.tenant.as_ref(), some).await?;
            found.extend(endpoints.into_iter().map(|endpoint| (endpoint.id, endpoint)));
        }
        Ok(found)
    }

    /// Deliveries by id.
    pub async fn deliveries_by_id(
        &self,
        caller: &Caller,
        ids: &[DeliveryId],
    ) -> Result<HashMap<DeliveryId, DeliveryDetail>> {
        let found = self.seen_deliveries(caller, ids).await?;
        let details = self.details(found).await?;
        Ok(details.into_iter().map(|detail| (detail.delivery.id, detail)).collect())
    }

    async fn seen_deliveries(&self, caller: &Caller, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
        caller.require(Scope::Read)?;
        let erasures = self.erasures();
        let mut found = Vec::with_capacity(ids.len());
        for some in unique(ids).chunks(MANY) {
            found.extend(self.0.store.deliveries_by_id(caller.tenant.as_ref(), some).await?);
        }
        Ok(self.without_erased(&erasures, found).await?)
    }

    /// The first page of each message's deliveries.
    pub async fn deliveries_of_messages(
        &self,
        caller: &Caller,
        status: Option<DeliveryStatus>,
        limit: u32,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Slice<DeliveryDetail>>> {
        caller.require(Scope::Read)?;
        let firsts = Firsts { tenant: caller.tenant.clone(), status, limit };
        let erasures = self.erasures();
        let mut pages = HashMap::with_capacity(messages.len());
        for some in unique(messages).chunks(parents(limit)) {
            let found = self.0.store.deliveries_of_messages(&firsts, some).await?;
            pages.extend(self.detailed(&erasures, found).await?);
        }
        Ok(pages)
    }

    /// The first page of the deliveries to each endpoint.
    pub async fn deliveries_of_endpoints(
        &self,
        caller: &Caller,
        status: Option<DeliveryStatus>,
        limit: u32,
        endpoints: &[EndpointId],
    ) -> Result<HashMap<EndpointId, Slice<DeliveryDetail>>> {
        caller.require(Scope::Read)?;
        let firsts = Firsts { tenant: caller.tenant.clone(), status, limit };
        let erasures = self.erasures();
        let mut pages = HashMap::with_capacity(endpoints.len());
        for some in unique(endpoints).chunks(parents(limit)) {
            let found = self.0.store.deliveries_of_endpoints(&firsts, some).await?;
            pages.extend(self.detailed(&erasures, found).await?);
        }
        Ok(pages)
    }

    /// Makes pages ready to be shown, all of them as if they were one.
    async fn detailed<K: Eq + Hash>(
        &self,
        erasures: &[Erasure],
        pages: FirstPages<K, Delivery>,
    ) -> Result<HashMap<K, Slice<DeliveryDetail>>> {
        let all: Vec<Delivery> = pages.values().flat_map(|page| page.items.iter().cloned()).collect();
        let details = self.details(self.without_erased(erasures, all).await?).await?;
        let mut details: HashMap<DeliveryId, DeliveryDetail> =
            details.into_iter().map(|detail| (detail.delivery.id, detail)).collect();
        let shown = |(key, page): (K, Slice<Delivery>)| {
            let items = page.items.iter().filter_map(|delivery| details.remove(&delivery.id)).collect();
            (key, Slice { items, next: page.next })
        };
        Ok(pages.into_iter().map(shown).collect())
    }

    /// The first page of each delivery's attempts. `on_read` is told how many bytes of responses each step brought, and
    /// may end it with an error.
    pub async fn attempts_of(
        &self,
        caller: &Caller,
        deliveries: &[DeliveryId],
        limit: u32,
        captures: Captures,
        on_read: impl Fn(usize) -> Result<()>,
    ) -> Result<HashMap<DeliveryId, Exchanges>> {
        caller.require(Scope::Read)?;
        let mut deliveries = unique(deliveries);
        if !self.erasures().is_empty() {
            let kept: HashSet<DeliveryId> =
                self.seen_deliveries(caller, &deliveries).await?.iter().map(|delivery| delivery.id).collect();
            deliveries.retain(|id| kept.contains(id));
        }
        let at_once = match captures {
            Captures::Left => parents(limit),
            Captures::Read => (CAPTURED / page(limit)).clamp(1, MANY),
        };
        let mut pages = HashMap::with_capacity(deliveries.len());
        for some in deliveries.chunks(at_once) {
            let found = self.0.store.attempts_of(caller.tenant.as_ref(), some, limit, captures).await?;
            let kept = found.values().flat_map(|page| &page.items).filter_map(|(_, capture)| capture.as_ref());
            on_read(kept.map(|capture| capture.body.len()).sum())?;
            pages.extend(found);
        }
        Ok(pages)
    }

    /// The settings with which attempts were made, that somebody was shown: by their endpoints and those's revisions.
    pub async fn settings_of(
        &self,
        caller: &Caller,
        made_with: &[(EndpointId, u32)],
    ) -> Result<HashMap<(EndpointId, u32), Arc<EndpointSettings>>> {
        caller.require(Scope::Read)?;
        let found = self.revisions(made_with.iter().copied()).await?;
        Ok(found.into_iter().map(|(key, settings)| (key, Arc::new(settings))).collect())
    }
}

/// Each once, in order: neighbours lie beside each other in the store too.
fn unique<K: Ord + Copy>(ids: &[K]) -> Vec<K> {
    ids.iter().copied().collect::<BTreeSet<K>>().into_iter().collect()
}

/// The rows that a page needs: one more tells whether there are more.
fn page(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1)
}

/// How many parents' first pages are read at once: together no more rows than the page of a list examines.
fn parents(limit: u32) -> usize {
    (usize::try_from(MAX_EXAMINED).unwrap_or(usize::MAX) / page(limit)).clamp(1, MANY)
}
