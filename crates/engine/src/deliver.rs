//! One delivery's attempt: sign, send, judge, and say what becomes of it.
//!
//! ```text
//! ready ── mark ── request ── egress ── judge ── follow ── record
//! ```

pub mod follow;
pub mod frozen;
mod judge;
pub mod mark;
mod ready;

use std::time::Duration;

use posthaste_core::delivery::{CloseReason, Next};
use posthaste_core::endpoint::{Guarantee, OnFailed};
use posthaste_core::{Attempt, Outcome, Timestamp, WaitingFor};
use posthaste_store::Settled;
use posthaste_store::queue::{Exchange, From};

use crate::Engine;
use crate::catalog::EndpointView;
use crate::dispatch::job::Job;
use crate::dispatch::{Ended, Passage};
use crate::egress::{Exchanged, Outbound, Reached, Sent};
use crate::lease::Fence;
use crate::request::span_of;
use judge::{after_failure, judged};
use mark::Marked;
use ready::Readiness;

/// Sends one job, and then whatever may be sent next, until nothing may. At the end of a stop what is still in flight is
/// abandoned.
pub async fn run(engine: Engine, first: Job) {
    tokio::select! {
        biased;
        () = send_on(&engine, first) => {}
        () = engine.0.stop_now.cancelled() => {}
    }
}

async fn send_on(engine: &Engine, first: Job) {
    let mut next = Some(first);
    while let Some(job) = next {
        let Some(fence) = right_to_send(engine, job.epoch).await else {
            // The lease went to others, and with it everything in memory.
            engine.0.dispatch.ended(&job, Ended::Unsent, Passage::Shut, engine.0.clock.now());
            return;
        };
        deliver(engine, job, fence).await;
        // A token that is taken now must be used now.
        next = engine.0.lease.may_send().and_then(|_| engine.0.dispatch.next(engine.0.clock.now()));
    }
}

/// Waits while the lease is not fresh enough to start a send; `None` once another epoch has begun.
async fn right_to_send(engine: &Engine, epoch: u64) -> Option<Fence> {
    loop {
        match engine.0.lease.fence() {
            Some(fence) if fence.epoch == epoch => {}
            _ => return None,
        }
        if let Some(fence) = engine.0.lease.may_send() {
            return Some(fence);
        }
        if engine.0.stop_now.is_cancelled() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn deliver(engine: &Engine, job: Job, fence: Fence) {
    let now = engine.0.clock.now();
    let (settled, ended, view) = match ready::check(engine, &job).await {
        Readiness::Send(view) => match mark::if_asked(engine, &job, &view, fence).await {
            Marked::Yes => {
                let (settled, ended) = exchange(engine, &job, &view, fence, now).await;
                (settled, ended, Some(view))
            }
            // Somebody ended it while it waited here: there is nothing to send and nothing to record.
            Marked::Gone => return vanish(engine, &job),
            // The lease is lost, and with it everything in memory.
            Marked::Lost => {
                engine.0.dispatch.ended(&job, Ended::Unsent, Passage::Shut, now);
                return;
            }
        },
        Readiness::Later => {
            // The catalog cannot be read just now. In its place the delivery is safe; a moment later it is tried again.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let next = Next::Wait { due_at: now + Duration::from_secs(1), waiting_for: WaitingFor::Retry };
            (unsent(&job, next, None, now), Ended::Unsent, None)
        }
        Readiness::Unsent(next, view) => (unsent(&job, next, view.as_deref(), now), Ended::Unsent, view),
    };
    let aftermath = engine.0.dispatch.ended(&job, ended, Passage::after(&settled), engine.0.clock.now());
    let gone = matches!(settled.next, Next::Close { reason: CloseReason::EndpointGone, .. });
    let follow = engine.left_behind(&job, view.as_deref(), &settled).await;
    engine.0.record.settle_followed(fence.node, settled, follow).await;
    engine.after(&job, fence, aftermath).await;
    if gone {
        engine.disable(job.endpoint, "the endpoint answered 410 Gone").await;
    }
}

/// A row that is gone leaves memory without a word.
fn vanish(engine: &Engine, job: &Job) {
    let now = engine.0.clock.now();
    engine.0.dispatch.ended(job, Ended::Unsent, Passage::Free, now);
    engine.0.dispatch.recorded(std::iter::once((job.endpoint, job.delivery, Passage::Free)), now);
}

/// Makes the exchange and judges it.
async fn exchange(engine: &Engine, job: &Job, view: &EndpointView, fence: Fence, now: Timestamp) -> (Settled, Ended) {
    let number = job.progress.attempts.saturating_add(1);
    let id = job.delivery.attempt(number, fence.number);
    let exchanged = send(engine, job, view, now, span_of(id)).await;
    let after = engine.0.clock.now();
    let settings = &view.endpoint.settings;
    let judgement = judged(settings, &exchanged);
    let mut progress = job.progress.clone();
    progress.attempts = number;
    progress.last_status_code = judgement.status_code;
    progress.last_error.clone_from(&judgement.error);
    let (next, ended) = if judgement.outcome == Outcome::Succeeded {
        (Next::Succeeded, Ended::Well)
    } else {
        progress.failures = progress.failures.saturating_add(1);
        let retry_after = exchanged.retry_after.as_deref();
        (after_failure(job, settings, &judgement, progress.failures, retry_after, after), Ended::Badly)
    };
    engine.0.metrics.attempt(judgement.outcome, exchanged.duration);
    let attempt = Attempt {
        id,
        endpoint: job.endpoint,
        endpoint_revision: view.endpoint.revision,
        tenant: job.message.tenant.clone(),
        number,
        at: now,
        duration_micros: u64::try_from(exchanged.duration.as_micros()).unwrap_or(u64::MAX),
        outcome: judgement.outcome,
        status_code: judgement.status_code,
        error: judgement.error,
    };
    let settled = Settled {
        delivery: job.delivery,
        endpoint: job.endpoint,
        tenant: job.message.tenant.clone(),
        from: job.from,
        attempt: Some(Exchange { attempt, capture: exchanged.capture }),
        next,
        progress,
        on_failed: settings.fifo_on_failed,
        at: after,
    };
    (settled, ended)
}

async fn send(engine: &Engine, job: &Job, view: &EndpointView, now: Timestamp, span: u64) -> Exchanged {
    let payload = job.payload.clone().unwrap_or_default();
    let request = view.prepared(&engine.0.vault, &engine.0.egress).and_then(|prepared| {
        let (headers, body) = prepared.request(&job.message, &payload, now, span)?;
        Ok((prepared, headers, body))
    });
    match request {
        Ok((prepared, headers, body)) => {
            let outbound = Outbound {
                url: prepared.url.clone(),
                method: prepared.method.clone(),
                headers,
                body,
                timeout: view.endpoint.settings.timeout_seconds.duration(),
            };
            engine.0.egress.send(outbound).await
        }
        // Nothing was sent, but it is an attempt: it is recorded, counts, and tells people what to mend.
        Err(error) => Exchanged {
            outcome: Sent::Failed { outcome: Outcome::Unknown, error, status: None },
            reached: Reached::Never,
            duration: Duration::ZERO,
            capture: None,
            retry_after: None,
        },
    }
}

/// A move without an exchange.
pub fn unsent(job: &Job, next: Next, view: Option<&EndpointView>, at: Timestamp) -> Settled {
    Settled {
        delivery: job.delivery,
        endpoint: job.endpoint,
        tenant: job.message.tenant.clone(),
        from: job.from,
        attempt: None,
        next,
        progress: job.progress.clone(),
        on_failed: view.map_or(OnFailed::Continue, |view| view.endpoint.settings.fifo_on_failed),
        at,
    }
}

impl Engine {
    /// What an ended exchange asks of its endpoint: spill behind an opened breaker, note its health, disable it.
    async fn after(&self, job: &Job, fence: Fence, aftermath: crate::dispatch::Aftermath) {
        if let Some((until, spilled)) = aftermath.opened {
            let next = Next::Wait { due_at: until, waiting_for: WaitingFor::Breaker };
            let now = self.0.clock.now();
            for job in spilled {
                self.0.record.settle(fence.node, unsent(&job, next.clone(), None, now)).await;
            }
            self.0.drain_hint.by(until);
        }
        if aftermath.hungry || aftermath.health == Some(None) {
            self.0.drain_hint.by(self.0.clock.now());
        }
        if let Some(failing_since) = aftermath.health {
            self.0.record.health(job.endpoint, failing_since).await;
        }
        if let Some(since) = aftermath.failing_since {
            self.disable_if_due(job, since).await;
        }
    }

    /// The engine stops: what must not be sent twice and was not sent at all goes back to `due`, where the next owner
    /// sees that. Left in its batch it would have to be given up.
    pub(crate) async fn put_back_unsent(&self) {
        let Some(fence) = self.0.lease.fence() else { return };
        let now = self.0.clock.now();
        for job in self.0.dispatch.unsent() {
            let Ok((view, _)) = self.0.catalog.view(&job.message.tenant).await else { return };
            let once = |view: &EndpointView| view.endpoint.settings.guarantee == Guarantee::AtMostOnce;
            if matches!(job.from, From::Batch(_)) && view.endpoint(job.endpoint).is_some_and(|view| once(view)) {
                let next = Next::Wait { due_at: now, waiting_for: WaitingFor::InFlight };
                self.0.record.settle(fence.node, unsent(&job, next, None, now)).await;
            }
        }
    }
}
