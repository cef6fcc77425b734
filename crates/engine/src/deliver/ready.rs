//! Whether a delivery whose turn has come is to be sent, and with which settings.

use std::sync::Arc;

use posthaste_core::WaitingFor;
use posthaste_core::delivery::{CloseReason, DeliveryStatus, Next};
use posthaste_core::endpoint::{EndpointState, Guarantee};
use posthaste_store::queue::From;

use super::judge::over;
use crate::Engine;
use crate::catalog::EndpointView;
use crate::dispatch::job::{Job, Told};

/// What is to be done with a delivery whose turn has come.
pub enum Readiness {
    /// Send it, with these settings.
    Send(Arc<EndpointView>),
    /// It goes there instead; with the endpoint's settings, where there are any.
    Unsent(Next, Option<Arc<EndpointView>>),
    /// Nobody can say yet.
    Later,
}

/// Decides that.
pub async fn check(engine: &Engine, job: &Job) -> Readiness {
    let tenant = &job.message.tenant;
    let Ok((mut view, _)) = engine.0.catalog.view(tenant).await else { return Readiness::Later };
    if view.endpoint(job.endpoint).is_none() {
        // One that another node made a moment ago must not be taken for one that is gone.
        if engine.catalog_changed().await.is_err() {
            return Readiness::Later;
        }
        let Ok((newer, _)) = engine.0.catalog.view(tenant).await else { return Readiness::Later };
        view = newer;
    }
    let close = |status, reason| Next::Close { status, reason };
    let Some(current) = view.endpoint(job.endpoint) else {
        return Readiness::Unsent(close(DeliveryStatus::Cancelled, CloseReason::EndpointDeleted), None);
    };
    let Ok(endpoint) = engine.as_published(job, current).await else { return Readiness::Later };
    let settings = &endpoint.endpoint.settings;
    let now = engine.0.clock.now();
    let next = if job.payload.is_none() {
        close(DeliveryStatus::Failed, CloseReason::PayloadGone)
    } else if job.told == Told::PerhapsNotAll && settings.guarantee == Guarantee::AtMostOnce {
        close(DeliveryStatus::Failed, CloseReason::UnknownOutcome)
    } else if let Some(ending) = over(job, settings, now) {
        let (status, reason) = ending.close();
        close(status, reason)
    } else if !current.endpoint.state.sends() {
        Next::Wait { due_at: now, waiting_for: stopped(current.endpoint.state) }
    } else if current.endpoint.settings.rate_limit.is_some() && matches!(job.from, From::Batch(_)) {
        // The limit came after the message; it is kept by the owner of the endpoint's shard alone.
        Next::Wait { due_at: now, waiting_for: WaitingFor::RateLimit }
    } else {
        return Readiness::Send(endpoint);
    };
    Readiness::Unsent(next, Some(endpoint))
}

/// What a delivery to a stopped endpoint waits for.
const fn stopped(state: EndpointState) -> WaitingFor {
    match state {
        EndpointState::Disabled | EndpointState::PendingVerification => WaitingFor::EndpointDisabled,
        EndpointState::Paused | EndpointState::Active => WaitingFor::EndpointPaused,
    }
}
