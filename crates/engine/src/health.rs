//! Disabling endpoints that have failed for too long.

use posthaste_core::endpoint::EndpointState;
use posthaste_core::{Endpoint, EndpointId, Timestamp};
use posthaste_store::{Conflict, StoreError};

use crate::Engine;
use crate::announce;
use crate::dispatch::job::Job;
use crate::endpoints::TRIES;

impl Engine {
    /// Disables an endpoint whose attempts have failed for its whole window.
    pub(crate) async fn disable_if_due(&self, job: &Job, since: Timestamp) {
        let Ok((view, _)) = self.0.catalog.view(&job.message.tenant).await else { return };
        let Some(known) = view.endpoint(job.endpoint) else { return };
        let Some(window) = known.endpoint.settings.disable_after_seconds else { return };
        let now = self.0.clock.now();
        // What was noted before this process (or this lane) began counts too.
        let since = match view.failing_since(job.endpoint) {
            Some(noted) if noted < since => {
                self.0.dispatch.recall_failing(job.endpoint, noted);
                noted
            }
            _ => since,
        };
        if now.since(since) < window.duration() {
            return;
        }
        // Another node may have succeeded meanwhile: the record of attempts decides.
        match self.0.store.endpoint_activity(job.endpoint, since).await {
            Ok(activity) if activity.last_success_at.is_some_and(|at| at > since) => {
                self.0.dispatch.reset(job.endpoint);
                self.0.record.health(job.endpoint, None).await;
            }
            Ok(_) => self.disable(job.endpoint, "every attempt failed for disable_after_seconds").await,
            Err(error) => tracing::debug!(%error, "whether an endpoint is to be disabled could not be read"),
        }
    }

    /// Disables an endpoint; what waits is kept.
    pub(crate) async fn disable(&self, id: EndpointId, reason: &str) {
        for _ in 0..TRIES {
            let endpoint = match self.0.store.endpoint(id).await {
                Ok(Some(endpoint)) if endpoint.state != EndpointState::Disabled => endpoint,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, endpoint = %id, "an endpoint could not be disabled; the next failure tries again");
                    return;
                }
            };
            let now = self.0.clock.now();
            let disabled = Endpoint {
                state: EndpointState::Disabled,
                state_reason: Some(reason.to_owned()),
                revision: endpoint.revision + 1,
                updated_at: now,
                ..endpoint
            };
            match self.0.store.update_endpoint(&disabled, None).await {
                Ok(()) => {
                    tracing::warn!(endpoint = %id, reason, "an endpoint was disabled");
                    self.announce_endpoint(announce::ENDPOINT_DISABLED, &disabled);
                    if let Err(error) = self.catalog_changed().await {
                        tracing::debug!(%error, "the catalog is applied at the next poll");
                    }
                    return;
                }
                Err(StoreError::Conflict(Conflict::RevisionMoved)) => {}
                Err(error) => {
                    tracing::warn!(%error, endpoint = %id, "an endpoint could not be disabled; the next failure tries again");
                    return;
                }
            }
        }
    }
}
