//! What an exchange amounts to, and what becomes of its delivery. Decisions only.

use posthaste_core::delivery::{CloseReason, DeliveryStatus, Next};
use posthaste_core::endpoint::{EndpointSettings, Guarantee, RetryAfter};
use posthaste_core::retry::{Decision, End, Ending, Verdict, judge, parse_retry_after};
use posthaste_core::{Outcome, Timestamp, WaitingFor};

use crate::chance;
use crate::dispatch::job::Job;
use crate::egress::{Exchanged, Reached, Sent};

/// Errors are kept up to this length.
const ERROR_BYTES: usize = 500;

/// What an exchange amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub outcome: Outcome,
    /// The status, if one was read.
    pub status_code: Option<u16>,
    /// The failure in words.
    pub error: Option<String>,
    /// Whether the receiver may have taken the message although no answer says so.
    pub known: Known,
}

/// Whether it is known that a failed exchange delivered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The receiver said no, or never saw the request.
    Yes,
    /// It may have seen the request, and nobody heard its answer.
    No,
}

/// Judges an exchange by an endpoint's rules.
pub fn judged(settings: &EndpointSettings, exchanged: &Exchanged) -> Judgement {
    let codes = settings.success_codes.as_deref();
    let status = match &exchanged.outcome {
        Sent::Answered { status } => *status,
        Sent::Failed { outcome, error, status } => {
            // A status that is no success is an answer, whatever broke after it.
            let refused = status.is_some_and(|status| judge(status, codes) != Verdict::Succeeded);
            let known = if refused || exchanged.reached == Reached::Never { Known::Yes } else { Known::No };
            let error = Some(shorten(error.clone()));
            return Judgement { outcome: *outcome, status_code: *status, error, known };
        }
    };
    let mut verdict = judge(status, codes);
    if settings.require_empty_response {
        // Of a body that was kept in part there was something in any case.
        let whole = exchanged.capture.as_ref().filter(|capture| !capture.truncated);
        verdict = verdict.requiring_empty(whole.map_or(b"...", |capture| &capture.body));
    }
    let (outcome, error) = match verdict {
        Verdict::Succeeded => (Outcome::Succeeded, None),
        Verdict::Gone | Verdict::Rejected => (Outcome::Rejected, Some(format!("answered {status}"))),
        Verdict::NotEmpty => {
            let error = format!("answered {status} with a body, where require_empty_response asks for an empty one");
            (Outcome::Rejected, Some(error))
        }
    };
    Judgement { outcome, status_code: Some(status), error, known: Known::Yes }
}

/// What becomes of a delivery whose exchange failed, `failures` times in the present schedule.
pub fn after_failure(
    job: &Job,
    settings: &EndpointSettings,
    judgement: &Judgement,
    failures: u32,
    retry_after: Option<&str>,
    now: Timestamp,
) -> Next {
    let failed = |reason| Next::Close { status: DeliveryStatus::Failed, reason };
    if settings.guarantee == Guarantee::AtMostOnce && judgement.known == Known::No {
        return failed(CloseReason::UnknownOutcome);
    }
    let gone = judgement.outcome == Outcome::Rejected && judgement.status_code == Some(410);
    if gone && settings.disable_after_seconds.is_some() {
        return failed(CloseReason::EndpointGone);
    }
    let wished = match settings.retry_after {
        RetryAfter::Obey => retry_after.and_then(|value| parse_retry_after(value, now)),
        RetryAfter::Ignore => None,
    };
    let end = end_of(job, settings);
    match settings.retry.decide(settings.max_attempts, failures, wished, chance::draw()).before(end, now) {
        Decision::Retry { after } => Next::Wait { due_at: now + after, waiting_for: WaitingFor::Retry },
        Decision::Exhausted => failed(CloseReason::AttemptsExhausted),
        Decision::End(end) if end.is_over(now) => {
            let (status, reason) = end.ending.close();
            Next::Close { status, reason }
        }
        // It is looked at once more when its time is over, and ends then, unsent.
        Decision::End(end) => Next::Wait { due_at: end.at, waiting_for: WaitingFor::Retry },
    }
}

/// When a delivery ends by itself, if it does.
fn end_of(job: &Job, settings: &EndpointSettings) -> Option<End> {
    let message = &job.message;
    let begun_at = message.deliver_at.unwrap_or_else(|| message.created_at());
    End::of(begun_at, settings.give_up_after_seconds, message.extras.expires_at)
}

/// As what a delivery ends without being sent, because its time is over. A fresh schedule that somebody asked for after
/// it was given up has its one attempt at least.
pub fn over(job: &Job, settings: &EndpointSettings, now: Timestamp) -> Option<Ending> {
    let asked_for = job.progress.attempts > 0 && job.progress.failures == 0;
    let end = end_of(job, settings).filter(|end| end.is_over(now))?;
    (end.ending == Ending::Expired || !asked_for).then_some(end.ending)
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
