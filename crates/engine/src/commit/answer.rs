//! After the commit: what is ours goes to the dispatcher, and every publisher gets its answer.

use posthaste_core::Message;
use posthaste_core::delivery::Progress;
use posthaste_store::queue::{From, Owner};
use posthaste_store::{Accepted, Group};

use super::Pending;
use crate::Engine;
use crate::dispatch::Intake;
use crate::dispatch::job::{Job, Told};
use crate::dispatch::outlet::Terms;
use crate::error::{EngineError, Result};
use crate::ingest::Receipt;
use crate::lease::Fence;

/// Hands what was committed to the dispatcher, then answers the publishers. Returns how many deliveries of the batch
/// came into memory.
pub fn settle(
    engine: &Engine,
    pending: Vec<Pending>,
    group: Group,
    answers: Vec<Accepted>,
    fence: Fence,
    intake: Intake,
) -> usize {
    let now = engine.0.clock.now();
    let mut taken = 0;
    if group.owner == Owner::Publisher {
        let jobs = jobs(&pending, &group, &answers, fence);
        taken = jobs.len();
        engine.0.dispatch.add_batch(group.batch, fence.epoch, jobs, intake, now);
        engine.pump();
    } else {
        engine.0.unclaimed.notify_one();
    }
    if group.messages.iter().any(|new| !new.waits.is_empty()) {
        let due = group.messages.iter().flat_map(|new| &new.waits).map(|wait| wait.due_at).min();
        engine.0.drain_hint.by(due.unwrap_or(now));
    }
    for ((one, new), answer) in pending.into_iter().zip(group.messages).zip(answers) {
        let receipt = receipt(&one, &new.message, answer);
        if receipt.as_ref().is_ok_and(|receipt| !receipt.duplicate) {
            engine.0.metrics.accepted.inc();
        }
        answer_one(one, receipt);
    }
    taken
}

fn jobs(pending: &[Pending], group: &Group, answers: &[Accepted], fence: Fence) -> Vec<(Job, Terms)> {
    let mut jobs = Vec::new();
    for ((one, new), answer) in pending.iter().zip(&group.messages).zip(answers) {
        if *answer != Accepted::New {
            continue;
        }
        let mut waits = new.waits.iter().map(|wait| wait.position).peekable();
        for (position, view) in (1u32..).zip(&one.targets) {
            if waits.next_if_eq(&position).is_some() {
                continue;
            }
            let job = Job {
                delivery: new.message.id.delivery(position),
                endpoint: view.endpoint.id,
                order: 0,
                message: new.message.clone(),
                payload: Some(new.payload.clone()),
                from: From::Batch(group.batch),
                progress: Progress::default(),
                told: Told::All,
                epoch: fence.epoch,
            };
            jobs.push((job, Terms::of(&view.endpoint.settings)));
        }
    }
    jobs
}

fn receipt(one: &Pending, message: &Message, answer: Accepted) -> Result<Receipt> {
    let deliveries = u32::try_from(message.targets.len()).ok();
    let accepted =
        |id, topic, deliveries, duplicate| Ok(Receipt { id, tenant: one.tenant.clone(), topic, deliveries, duplicate });
    match answer {
        Accepted::New => accepted(message.id, one.topic.clone(), deliveries, false),
        Accepted::Duplicate { original, same_request: true, topic, deliveries } => {
            accepted(original, topic, deliveries, true)
        }
        Accepted::Duplicate { original, .. } => Err(EngineError::invalid(
            "/idempotency_key",
            format!("this key was used for another request, which became {original}: use a new key"),
        )),
        Accepted::UidTaken(other) => Err(EngineError::Conflict {
            code: "uid_taken",
            detail: format!("this uid is taken by {other}: use another, or an idempotency_key to repeat a publish"),
        }),
    }
}

/// Gives every publisher of a group the same bad news.
pub fn refuse(group: Vec<Pending>, error: &EngineError) {
    for pending in group {
        let error = match error {
            EngineError::Internal(detail) => EngineError::Internal(detail.clone()),
            _ => EngineError::Unavailable,
        };
        answer_one(pending, Err(error));
    }
}

/// Answers one publisher.
pub fn answer_one(pending: Pending, answer: Result<Receipt>) {
    // A publisher that has gone away hears nothing; its message is committed all the same.
    let _ = pending.reply.send(answer);
}

/// Another request holds the key and does not end.
pub fn key_in_progress() -> EngineError {
    EngineError::Conflict {
        code: "idempotency_key_in_progress",
        detail: "the first request with this idempotency key is still under way: repeat this one later".to_owned(),
    }
}
