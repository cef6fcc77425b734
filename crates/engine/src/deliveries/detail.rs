//! Deliveries as they are shown: with their endpoints' URLs, and why they wait. Many are made ready as one is: what
//! the catalog in memory does not know of their endpoints is read for all of them at once.

use std::collections::{BTreeSet, HashMap};

use posthaste_core::delivery::Placement;
use posthaste_core::endpoint::{EndpointSettings, EndpointState};
use posthaste_core::{Delivery, DeliveryId, EndpointId, WaitingFor};
use posthaste_store::relations::MANY;

use super::DeliveryDetail;
use crate::Engine;
use crate::error::{EngineError, Result};

/// What is known of an endpoint: its URL, and its state if it is registered.
type Known = (Option<String>, Option<EndpointState>);

impl Engine {
    /// One delivery as it is shown.
    pub(crate) async fn detail(&self, delivery: Delivery) -> Result<DeliveryDetail> {
        self.details(vec![delivery]).await?.pop().ok_or(EngineError::NotFound("delivery"))
    }

    /// Deliveries as they are shown, in their order.
    pub(crate) async fn details(&self, deliveries: Vec<Delivery>) -> Result<Vec<DeliveryDetail>> {
        let mut known: HashMap<EndpointId, Known> = HashMap::new();
        let mut deleted = Vec::new();
        for delivery in &deliveries {
            let endpoint = delivery.endpoint;
            if known.contains_key(&endpoint) {
                continue;
            }
            let (view, _) = self.0.catalog.view(&delivery.tenant).await?;
            let found = match view.endpoint(endpoint) {
                Some(found) => (Some(found.endpoint.settings.url.clone()), Some(found.endpoint.state)),
                None => {
                    deleted.push((endpoint, delivery.endpoint_revision));
                    (None, None)
                }
            };
            known.insert(endpoint, found);
        }
        for ((endpoint, _), settings) in self.revisions(deleted.into_iter()).await? {
            known.insert(endpoint, (Some(settings.url), None));
        }
        let detail = |delivery: Delivery| {
            let (url, state) = known.get(&delivery.endpoint).cloned().unwrap_or_default();
            detail(delivery, url, state)
        };
        Ok(deliveries.into_iter().map(detail).collect())
    }

    /// What endpoints' settings were at revisions.
    pub(crate) async fn revisions(
        &self,
        wanted: impl Iterator<Item = (EndpointId, u32)>,
    ) -> Result<HashMap<(EndpointId, u32), EndpointSettings>> {
        let wanted: Vec<_> = wanted.collect::<BTreeSet<_>>().into_iter().collect();
        let mut settings = HashMap::new();
        for some in wanted.chunks(MANY) {
            settings.extend(self.0.store.endpoint_revisions(some).await?);
        }
        Ok(settings)
    }

    /// Deliveries by id, whoever asks.
    pub(crate) async fn stored_deliveries(&self, ids: &[DeliveryId]) -> Result<HashMap<DeliveryId, DeliveryDetail>> {
        let erasures = self.erasures();
        let mut found = HashMap::with_capacity(ids.len());
        for some in ids.chunks(MANY) {
            let stored = self.0.store.deliveries_by_id(None, some).await?;
            let shown = self.details(self.without_erased(&erasures, stored).await?).await?;
            found.extend(shown.into_iter().map(|detail| (detail.delivery.id, detail)));
        }
        Ok(found)
    }
}

fn detail(delivery: Delivery, url: Option<String>, state: Option<EndpointState>) -> DeliveryDetail {
    let stopped = match state {
        Some(EndpointState::Paused) => Some(WaitingFor::EndpointPaused),
        Some(EndpointState::Disabled | EndpointState::PendingVerification) => Some(WaitingFor::EndpointDisabled),
        Some(EndpointState::Active) | None => None,
    };
    let (waiting_for, next_attempt_at) = match &delivery.placement {
        Placement::Due(_) if stopped.is_some() => (stopped, None),
        // It waited for its endpoint, which has been started since: its turn comes at once.
        Placement::Due(due) if !due.waiting_for.ends_by_itself() => (None, Some(due.due_at)),
        Placement::Due(due) => (Some(due.waiting_for), Some(due.due_at)),
        Placement::Batch => (None, Some(delivery.id.timestamp())),
        Placement::Succeeded { .. } | Placement::Closed(_) | Placement::Missing => (None, None),
    };
    DeliveryDetail { delivery, url, waiting_for, next_attempt_at }
}
