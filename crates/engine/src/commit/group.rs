//! What one group commit holds: each message matched as the catalog is now, each target sent from memory or waiting.

use std::sync::Arc;

use posthaste_core::endpoint::Guarantee;
use posthaste_core::id::BatchId;
use posthaste_core::{Message, MessageId, Target, Timestamp, WaitingFor};
use posthaste_store::queue::{BatchRow, Owner, Wait};
use posthaste_store::{CatalogVersion, Group, NewMessage};

use super::Pending;
use super::answer::answer_one;
use crate::Engine;
use crate::dispatch::Gate;
use crate::error::EngineError;
use crate::roles::Role;
use crate::waiting::{lane_of, waiting_for};

/// Says of each target whether it waits, and for what, as things stand now.
pub fn place(gate: &Gate<'_>, one: &mut Pending, now: Timestamp) {
    one.waits.clear();
    let later = one.deliver_at.filter(|at| *at > now);
    for (position, view) in (1u32..).zip(&one.targets) {
        let endpoint = &view.endpoint;
        let lane = lane_of(endpoint, one.extras.ordering_key.as_deref());
        let wait = match later {
            Some(at) => Some((at, WaitingFor::Schedule)),
            None => waiting_for(endpoint, lane).map(|what| (now, what)).or_else(|| gate.blocked(endpoint.id, now)),
        };
        if let Some((due_at, waiting_for)) = wait {
            one.waits.push(Wait { position, due_at, waiting_for, order: lane.order });
        }
    }
}

/// Matches again what was matched with another version; what no longer can be accepted is answered and left out.
pub async fn rematch(
    engine: &Engine,
    pending: Vec<Pending>,
    version: CatalogVersion,
) -> Result<Vec<Pending>, (Vec<Pending>, EngineError)> {
    if pending.iter().all(|one| one.matched == version) {
        return Ok(pending);
    }
    let mut matched = Vec::with_capacity(pending.len());
    let mut rest = pending.into_iter();
    while let Some(mut one) = rest.next() {
        if one.matched != version {
            match engine.0.catalog.view(&one.tenant).await {
                Ok((view, valid_at)) => match one.targets_in(&view) {
                    Ok(targets) => (one.targets, one.matched) = (targets, valid_at),
                    Err(error) => {
                        answer_one(one, Err(error));
                        continue;
                    }
                },
                Err(error) => {
                    matched.push(one);
                    matched.extend(rest);
                    return Err((matched, error.into()));
                }
            }
            place(&engine.0.dispatch.gate(), &mut one, engine.0.clock.now());
        }
        matched.push(one);
    }
    Ok(matched)
}

/// Whose the direct targets of these messages will be. Nobody's, where memory is full or this node does not send; then a target that must not be
/// sent twice waits instead, because whoever claims a batch cannot tell whether it was ever in a memory.
pub fn owner(engine: &Engine, pending: &mut [Pending]) -> Owner {
    if engine.plays(Role::Dispatch) && engine.0.dispatch.has_room() {
        return Owner::Publisher;
    }
    let now = engine.0.clock.now();
    for one in pending {
        let mut waiting = one.waits.iter().map(|wait| wait.position).peekable();
        let mut more = Vec::new();
        for (position, view) in (1u32..).zip(&one.targets) {
            let waits = waiting.next_if_eq(&position).is_some();
            if !waits && view.endpoint.settings.guarantee == Guarantee::AtMostOnce {
                more.push(Wait { position, due_at: now, waiting_for: WaitingFor::InFlight, order: 0 });
            }
        }
        if !more.is_empty() {
            one.waits.extend(more);
            one.waits.sort_unstable_by_key(|wait| wait.position);
        }
    }
    Owner::Nobody
}

/// How many targets of these messages are sent from memory.
pub fn direct(pending: &[Pending]) -> usize {
    pending.iter().map(|one| one.targets.len().saturating_sub(one.waits.len())).sum()
}

/// The group as the store takes it.
pub fn build(pending: &[Pending], ids: &[MessageId], batch: BatchId, row: BatchRow, owner: Owner) -> Group {
    let messages = pending.iter().zip(ids).map(|(one, id)| new_message(one, *id, batch)).collect();
    let matched = pending.iter().map(|one| one.matched).min().unwrap_or_default();
    Group { batch, row, consumes: Vec::new(), owner, matched, messages }
}

fn new_message(one: &Pending, id: MessageId, batch: BatchId) -> NewMessage {
    let targets: Vec<Target> = one.targets.iter().map(|view| view.target()).collect();
    let message = Message {
        id,
        tenant: one.tenant.clone(),
        topic: one.topic.clone(),
        content_type: one.content_type.clone(),
        targets,
        batch,
        deliver_at: one.deliver_at,
        extras: one.extras.clone(),
    };
    NewMessage {
        message: Arc::new(message),
        payload: one.payload.clone(),
        idempotency: one.idempotency.clone(),
        waits: one.waits.clone(),
    }
}
