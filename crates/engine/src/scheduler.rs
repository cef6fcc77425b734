//! The one node that fires schedules, and how it is found.
//!
//! Every node that may asks from time to time whether it leads. A leader is a live node: when its lease is taken over,
//! the next one that asks leads, with a new term. A firing commits the messages, the marks of their due times and the
//! schedule's next time together, fenced by node and term; and a due time's message has an id that follows from the
//! schedule and the time. So no due time has two messages, whoever believes to lead.

use std::time::Duration;

use posthaste_core::cron::owed;
use posthaste_core::filter::Payload;
use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Origin, Schedule, Timestamp};
use posthaste_store::queue::{BatchRow, Owner};
use posthaste_store::schedules::{Fire, Fired, Leader};
use posthaste_store::{CatalogVersion, Group, NewMessage, StoreError};
use serde_json::json;

use crate::Engine;
use crate::addressing::{Addressing, Subject};
use crate::chance;
use crate::error::{EngineError, Result};
use crate::schedules::{parse, payload_of};
use crate::waiting::Waiting;

/// How often a node asks whether it leads.
const ELECTION: Duration = Duration::from_secs(1);
/// How many schedules are looked at in one go.
const BATCH: u32 = 100;
/// How many messages one firing has at the most: what is owed beyond it is fired next.
const FIRED_AT_ONCE: usize = 250;

/// Asks who leads, and fires while this node does, until the engine stops.
pub async fn run(engine: Engine) {
    let mut leading: Option<Leader> = None;
    loop {
        let pause = ELECTION.mul_f64(0.75 + chance::draw() / 2.0);
        tokio::select! {
            () = engine.0.stopping.cancelled() => break,
            () = engine.0.schedule_hint.notified() => {}
            () = tokio::time::sleep(next_pause(&engine, leading, pause).await) => {}
        }
        match turn(&engine, &mut leading).await {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, "schedules could not be fired; trying again");
                tokio::time::sleep(ELECTION).await;
            }
        }
    }
    if let Some(leader) = leading
        && let Err(error) = engine.0.store.resign(leader).await
    {
        tracing::debug!(%error, "the lead could not be given up; it ends with the lease");
    }
}

/// Until the next schedule is due, if this node leads and that is sooner.
async fn next_pause(engine: &Engine, leading: Option<Leader>, longest: Duration) -> Duration {
    if leading.is_none() {
        return longest;
    }
    match engine.0.store.next_due().await {
        Ok(Some(due)) => due.since(engine.0.clock.now()).min(longest),
        Ok(None) | Err(_) => longest,
    }
}

async fn turn(engine: &Engine, leading: &mut Option<Leader>) -> Result<()> {
    let Some(fence) = engine.0.lease.may_send() else {
        *leading = None;
        return Ok(());
    };
    let leader = engine.0.store.elect(fence.node).await?;
    let mine = leader.node == fence.node;
    if mine && *leading != Some(leader) {
        tracing::info!(term = leader.term.0, "this node leads: it fires schedules");
    }
    *leading = mine.then_some(leader);
    if !mine {
        return Ok(());
    }
    loop {
        let now = engine.0.clock.now();
        let due = engine.0.store.due_schedules(now, BATCH).await?;
        let full = due.len() >= BATCH as usize;
        for schedule in due {
            if engine.is_stopping() {
                return Ok(());
            }
            fire(engine, leader, &schedule, now).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Fires one schedule for all that it owes at `now`.
async fn fire(engine: &Engine, leader: Leader, schedule: &Schedule, now: Timestamp) -> Result<()> {
    let Some(expected) = schedule.next_fire_at else { return Ok(()) };
    let Ok(cron) = parse(&schedule.settings) else {
        // It was read before it was stored; only a newer version's expression, or a zone that has gone, ends here.
        tracing::error!(schedule = %schedule.id, "a schedule's expression cannot be read any more; it is not fired");
        return Ok(());
    };
    // Everything before the expected time is dealt with.
    let dealt_with = Timestamp::from_micros(expected.as_micros() - 1);
    let mut owed = owed(&cron, dealt_with, now, schedule.settings.missed);
    if owed.due.len() > FIRED_AT_ONCE {
        // The rest is owed from its first due time on.
        let rest = owed.due.split_off(FIRED_AT_ONCE);
        owed.next = rest.first().copied();
    }
    loop {
        let (group, _) = group_for(engine, schedule, &owed.due).await?;
        let firing = Fire {
            schedule: schedule.id,
            revision: schedule.revision,
            expected,
            fired: owed.due.clone(),
            group,
            next: owed.next,
        };
        match engine.0.store.fire(leader, &firing).await {
            Ok(Fired::Done) => {
                engine.0.drain_hint.by(now);
                return Ok(());
            }
            Ok(Fired::Superseded) => return Ok(()),
            Ok(Fired::CatalogMoved) => {
                engine.catalog_changed().await?;
            }
            Err(StoreError::Unavailable(error)) => {
                // In doubt: asked again, the due times that landed are not fired twice.
                tracing::warn!(%error, schedule = %schedule.id, "a firing is in doubt; it is looked at again");
                return Err(StoreError::Unavailable(error).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The messages for these due times, matched with the catalog as it is.
async fn group_for(engine: &Engine, schedule: &Schedule, due: &[Timestamp]) -> Result<(Group, CatalogVersion)> {
    let settings = &schedule.settings;
    let (payload, content_type) = payload_of(settings)?;
    let (view, matched) = engine.0.catalog.view(&schedule.tenant).await?;
    let addressing = match settings.endpoint_id {
        Some(endpoint) => Addressing::Endpoints(vec![endpoint]),
        None => Addressing::Topic,
    };
    let now = engine.0.clock.now();
    let mut messages: Vec<NewMessage> = Vec::with_capacity(due.len());
    for fire_at in due {
        let mut extras = MessageExtras {
            headers: settings.headers.clone(),
            metadata: settings.metadata.clone(),
            addressed: settings.endpoint_id.is_some(),
            origin: Origin::Schedule { schedule_id: schedule.id, fire_at: *fire_at },
            ..MessageExtras::default()
        };
        let targets = {
            let payload = Payload::new(&payload);
            addressing.targets(&view, &Subject::new(settings.topic.as_ref(), &extras, &payload))
        };
        let targets = match targets {
            Ok(targets) => targets,
            // Its topic or endpoint went away. Nobody waits for an answer: the message says it, for people to see.
            Err(error @ (EngineError::Invalid(_) | EngineError::NotFound(_))) => {
                extras.rejection = Some(rejection(&error));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let waiting = Waiting {
            id: schedule.message_id(*fire_at),
            tenant: schedule.tenant.clone(),
            topic: settings.topic.clone(),
            content_type: content_type.clone(),
            deliver_at: None,
            extras,
            payload: payload.clone(),
            idempotency: None,
        };
        messages.push(waiting.to(&targets, now));
    }
    let batch = BatchId::from_bits(messages.first().map_or(0, |new| new.message.id.bits()));
    let group = Group { batch, row: BatchRow::Insert, consumes: Vec::new(), owner: Owner::Nobody, matched, messages };
    Ok((group, matched))
}

/// A refusal as a message carries it.
pub(crate) fn rejection(error: &EngineError) -> serde_json::Value {
    let errors: Vec<_> = match error {
        EngineError::Invalid(errors) => {
            errors.iter().map(|error| json!({"pointer": error.pointer, "detail": error.detail})).collect()
        }
        _ => Vec::new(),
    };
    json!({
        "type": format!("urn:posthaste:problem:{}", error.code()),
        "code": error.code(),
        "detail": error.to_string(),
        "errors": errors,
    })
}
