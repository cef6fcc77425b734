//! One delivery's attempt: sign, send, judge, and say what becomes of it.
//!
//! ```text
//! prepare ── request ── egress ── judge ── next ── record
//! ```

use std::sync::Arc;
use std::time::Duration;

use posthaste_core::delivery::{CloseReason, DeliveryStatus, Next};
use posthaste_core::endpoint::{EndpointSettings, OnFailed, RetryAfter};
use posthaste_core::retry::{Decision, End, Ending, Verdict, judge, parse_retry_after};
use posthaste_core::{Attempt, Outcome, Timestamp, WaitingFor};
use posthaste_store::Settled;
use posthaste_store::queue::{Exchange, From};

use crate::Engine;
use crate::catalog::EndpointView;
use crate::chance;
use crate::dispatch::Ended;
use crate::dispatch::lane::Job;
use crate::egress::{Exchanged, Outbound, Sent};
use crate::lease::Fence;
use crate::request::span_of;

/// Errors are kept up to this length.
const ERROR_BYTES: usize = 500;

/// Sends one job, and then whatever may be sent next, until nothing may.
pub async fn run(engine: Engine, first: Job, epoch: u64) {
    let mut next = Some(first);
    while let Some(job) = next {
        let Some(fence) = right_to_send(&engine, epoch).await else {
            // The lease went to others, and with it everything in memory.
            engine.0.dispatch.ended(&job, Ended::Unsent, engine.0.clock.now());
            return;
        };
        deliver(&engine, job, fence).await;
        next = engine.0.dispatch.next(engine.0.clock.now());
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
    let (settled, ended) = match prepare(engine, &job).await {
        Ok(view) => exchange(engine, &job, &view, fence, now).await,
        Err(Unsendable::Later) => {
            // The catalog cannot be read just now. In its place the delivery is safe; a moment later it is tried again.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let next = Next::Wait { due_at: now + Duration::from_secs(1), waiting_for: WaitingFor::Retry };
            (unsent(&job, next, now), Ended::Unsent)
        }
        Err(Unsendable::Now(next)) => (unsent(&job, next, now), Ended::Unsent),
    };
    let aftermath = engine.0.dispatch.ended(&job, ended, engine.0.clock.now());
    let gone = matches!(settled.next, Next::Close { reason: CloseReason::EndpointGone, .. });
    engine.0.record.settle(fence.node, settled).await;
    engine.after(&job, fence, aftermath).await;
    if gone {
        engine.disable(job.endpoint, "the endpoint answered 410 Gone").await;
    }
}

/// Why a job is not sent.
enum Unsendable {
    /// It goes there instead.
    Now(Next),
    /// Nobody can say yet.
    Later,
}

/// The endpoint as it is now, if it is to be sent to.
async fn prepare(engine: &Engine, job: &Job) -> Result<Arc<EndpointView>, Unsendable> {
    let (view, _) = engine.0.catalog.view(&job.message.tenant).await.map_err(|_| Unsendable::Later)?;
    let close = |status, reason| Unsendable::Now(Next::Close { status, reason });
    let Some(endpoint) = view.endpoint(job.endpoint) else {
        return Err(close(DeliveryStatus::Cancelled, CloseReason::EndpointDeleted));
    };
    if job.payload.is_none() {
        return Err(close(DeliveryStatus::Failed, CloseReason::PayloadGone));
    }
    if let Some(ending) = over(job, &endpoint.endpoint.settings, engine.0.clock.now()) {
        let (status, reason) = ending.close();
        return Err(close(status, reason));
    }
    if !endpoint.endpoint.state.sends() {
        let waiting_for = stopped(endpoint);
        return Err(Unsendable::Now(Next::Wait { due_at: engine.0.clock.now(), waiting_for }));
    }
    Ok(endpoint.clone())
}

/// When a delivery ends by itself, if it does.
fn end_of(job: &Job, settings: &EndpointSettings) -> Option<End> {
    let message = &job.message;
    let begun_at = message.deliver_at.unwrap_or_else(|| message.created_at());
    End::of(begun_at, settings.give_up_after_seconds, message.extras.expires_at)
}

/// As what a delivery ends without being sent, because its time is over. A fresh schedule that somebody asked for after
/// it was given up has its one attempt at least.
fn over(job: &Job, settings: &EndpointSettings, now: Timestamp) -> Option<Ending> {
    let asked_for = job.progress.attempts > 0 && job.progress.failures == 0;
    let end = end_of(job, settings).filter(|end| end.is_over(now))?;
    (end.ending == Ending::Expired || !asked_for).then_some(end.ending)
}

/// What a delivery to a stopped endpoint waits for.
pub fn stopped(view: &EndpointView) -> WaitingFor {
    match view.endpoint.state {
        posthaste_core::EndpointState::Disabled | posthaste_core::EndpointState::PendingVerification => {
            WaitingFor::EndpointDisabled
        }
        posthaste_core::EndpointState::Paused | posthaste_core::EndpointState::Active => WaitingFor::EndpointPaused,
    }
}

/// Makes the exchange and judges it.
async fn exchange(engine: &Engine, job: &Job, view: &EndpointView, fence: Fence, now: Timestamp) -> (Settled, Ended) {
    let number = job.progress.attempts.saturating_add(1);
    let id = job.delivery.attempt(number, fence.number);
    let exchanged = send(engine, job, view, now, span_of(id)).await;
    let after = engine.0.clock.now();
    let settings = &view.endpoint.settings;
    let (outcome, status_code, error) = judged(settings, &exchanged);
    let mut progress = job.progress.clone();
    progress.attempts = number;
    progress.last_status_code = status_code;
    progress.last_error.clone_from(&error);
    let ended = if outcome == Outcome::Succeeded { Ended::Well } else { Ended::Badly };
    let next = if ended == Ended::Well {
        Next::Succeeded
    } else {
        progress.failures = progress.failures.saturating_add(1);
        let retry_after = match settings.retry_after {
            RetryAfter::Obey => exchanged.retry_after.as_deref().and_then(|value| parse_retry_after(value, after)),
            RetryAfter::Ignore => None,
        };
        let gone = outcome == Outcome::Rejected && status_code == Some(410);
        next_after_failure(settings, end_of(job, settings), progress.failures, gone, retry_after, after)
    };
    engine.0.metrics.attempt(outcome, exchanged.duration);
    let attempt = Attempt {
        id,
        endpoint: job.endpoint,
        endpoint_revision: view.endpoint.revision,
        tenant: job.message.tenant.clone(),
        number,
        at: now,
        duration_micros: u64::try_from(exchanged.duration.as_micros()).unwrap_or(u64::MAX),
        outcome,
        status_code,
        error,
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

/// What an exchange amounts to: the outcome, the status, the failure in words.
fn judged(settings: &EndpointSettings, exchanged: &Exchanged) -> (Outcome, Option<u16>, Option<String>) {
    let status = match &exchanged.outcome {
        Sent::Answered { status } => *status,
        Sent::Failed { outcome, error, status } => return (*outcome, *status, Some(shorten(error.clone()))),
    };
    let mut verdict = judge(status, settings.success_codes.as_deref());
    if settings.require_empty_response {
        // Of a body that was kept in part there was something in any case.
        let whole = exchanged.capture.as_ref().filter(|capture| !capture.truncated);
        verdict = verdict.requiring_empty(whole.map_or(b"...", |capture| &capture.body));
    }
    match verdict {
        Verdict::Succeeded => (Outcome::Succeeded, Some(status), None),
        Verdict::Gone | Verdict::Rejected => (Outcome::Rejected, Some(status), Some(format!("answered {status}"))),
        Verdict::NotEmpty => {
            let error = format!("answered {status} with a body, where require_empty_response asks for an empty one");
            (Outcome::Rejected, Some(status), Some(error))
        }
    }
}

async fn send(engine: &Engine, job: &Job, view: &EndpointView, now: Timestamp, span: u64) -> Exchanged {
    let payload = job.payload.clone().unwrap_or_default();
    let request = view.prepared(&engine.0.vault, &engine.0.egress).and_then(|prepared| {
        let headers = prepared.headers(&job.message, &payload, now, span)?;
        Ok((prepared, headers))
    });
    match request {
        Ok((prepared, headers)) => {
            let outbound = Outbound {
                url: prepared.url.clone(),
                method: prepared.method.clone(),
                headers,
                body: payload,
                timeout: view.endpoint.settings.timeout_seconds.duration(),
            };
            engine.0.egress.send(outbound).await
        }
        // Nothing was sent, but it is an attempt: it is recorded, counts, and tells people what to mend.
        Err(error) => Exchanged {
            outcome: Sent::Failed { outcome: Outcome::Unknown, error, status: None },
            duration: Duration::ZERO,
            capture: None,
            retry_after: None,
        },
    }
}

/// The retry policy's word on a failed attempt.
fn next_after_failure(
    settings: &EndpointSettings,
    end: Option<End>,
    failures: u32,
    gone: bool,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Next {
    if gone && settings.disable_after_seconds.is_some() {
        return Next::Close { status: DeliveryStatus::Failed, reason: CloseReason::EndpointGone };
    }
    match settings.retry.decide(settings.max_attempts, failures, retry_after, chance::draw()).before(end, now) {
        Decision::Retry { after } => Next::Wait { due_at: now + after, waiting_for: WaitingFor::Retry },
        Decision::Exhausted => Next::Close { status: DeliveryStatus::Failed, reason: CloseReason::AttemptsExhausted },
        Decision::End(end) if end.is_over(now) => {
            let (status, reason) = end.ending.close();
            Next::Close { status, reason }
        }
        // It is looked at once more when its time is over, and ends then, unsent.
        Decision::End(end) => Next::Wait { due_at: end.at, waiting_for: WaitingFor::Retry },
    }
}

/// A move without an exchange.
pub fn unsent(job: &Job, next: Next, at: Timestamp) -> Settled {
    Settled {
        delivery: job.delivery,
        endpoint: job.endpoint,
        tenant: job.message.tenant.clone(),
        from: job.from,
        attempt: None,
        next,
        progress: job.progress.clone(),
        on_failed: OnFailed::Continue,
        at,
    }
}

impl Engine {
    /// What an ended exchange asks of its endpoint: spill behind an opened breaker, note its health, disable it.
    async fn after(&self, job: &Job, fence: Fence, aftermath: crate::dispatch::Aftermath) {
        if let Some((until, spilled)) = aftermath.opened {
            let next = Next::Wait { due_at: until, waiting_for: WaitingFor::Breaker };
            let now = self.0.clock.now();
            for job in spilled.iter().filter(|job| matches!(job.from, From::Batch(_))) {
                self.0.record.settle(fence.node, unsent(job, next.clone(), now)).await;
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
}

fn shorten(mut error: String) -> String {
    if error.len() > ERROR_BYTES {
        let mut end = ERROR_BYTES;
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        error.truncate(end);
    }
    error
}
