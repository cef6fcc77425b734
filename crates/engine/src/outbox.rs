//! Takes in what applications left in their own transactions ([`posthaste_store::outbox`]).
//!
//! Each message is checked and matched as at the door. One that is refused, which nobody waits to hear, is stored all the
//! same, without deliveries and with the refusal in it. The rows go away in the transaction that stores the messages.

use std::collections::HashSet;
use std::time::Duration;

use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Message, MessageId, Origin, Tenant, TopicName};
use posthaste_store::outbox::OutboxRow;
use posthaste_store::queue::{BatchRow, Owner};
use posthaste_store::{Group, NewMessage, Published, StoreError};
use serde_json::Value;

use crate::Engine;
use crate::caller::Caller;
use crate::chance;
use crate::error::{EngineError, Result};
use crate::ingest::{Draft, Envelope};
use crate::scheduler::rejection;
use crate::waiting::Waiting;

/// How often the outbox is looked at; each pause is drawn from its half upward.
const POLL: Duration = Duration::from_millis(400);
/// How many rows are taken in at once.
const ROWS: u32 = 500;

/// Polls until the engine stops.
pub async fn run(engine: Engine) {
    loop {
        let pause = POLL / 2 + POLL.mul_f64(chance::draw() / 2.0);
        tokio::select! {
            () = engine.0.stopping.cancelled() => return,
            () = engine.0.outbox_hint.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        loop {
            match take_in(&engine).await {
                Ok(taken) if taken > 0 && !engine.is_stopping() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "the outbox could not be taken in; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    break;
                }
            }
        }
    }
}

/// Takes in one group; says how many rows it took.
async fn take_in(engine: &Engine) -> Result<usize> {
    let Some(fence) = engine.0.lease.may_send() else { return Ok(0) };
    let mut rows = engine.0.store.outbox(ROWS).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    loop {
        let group = group_of(engine, &mut rows).await?;
        match engine.0.store.publish(fence.node, &group).await {
            Ok(Published::Committed(_)) => {
                engine.0.drain_hint.by(engine.0.clock.now());
                return Ok(rows.len());
            }
            // Another node was quicker with one of them, or this one lost its lease: look again later.
            Ok(Published::Consumed) | Err(StoreError::LeaseLost) => return Ok(0),
            Ok(Published::CatalogMoved) => {
                engine.catalog_changed().await?;
            }
            Ok(Published::KeysBusy(_)) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                // The first alone: a key that somebody holds must not stop the others.
                rows.truncate(1.max(rows.len() / 2));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The messages of as many rows as may share a group: no key and no uid occurs twice.
async fn group_of(engine: &Engine, rows: &mut Vec<OutboxRow>) -> Result<Group> {
    let mut messages: Vec<NewMessage> = Vec::with_capacity(rows.len());
    let mut matched = engine.0.catalog.version();
    let mut taken = HashSet::new();
    for row in rows.iter() {
        let (new, valid_at) = message_of(engine, row).await?;
        let tenant = &new.message.tenant;
        let mut names = new.idempotency.iter().map(|key| (tenant.clone(), "key", key.key.clone())).collect::<Vec<_>>();
        names.extend(new.message.extras.uid.iter().map(|uid| (tenant.clone(), "uid", uid.clone())));
        if names.iter().any(|name| taken.contains(name)) {
            break;
        }
        taken.extend(names);
        matched = matched.min(valid_at);
        messages.push(new);
    }
    rows.truncate(messages.len());
    // The store takes a group in the order of its ids; rows come in the order of their places.
    messages.sort_unstable_by_key(|new| new.message.id);
    let batch = BatchId::from_bits(messages.first().map_or(0, |new| new.message.id.bits()));
    let consumes = rows.iter().map(|row| row.n).collect();
    Ok(Group { batch, row: BatchRow::Insert, consumes, owner: Owner::Nobody, matched, messages })
}

async fn message_of(engine: &Engine, row: &OutboxRow) -> Result<(NewMessage, posthaste_store::CatalogVersion)> {
    let now = engine.0.clock.now();
    let envelope = || Envelope { origin: Origin::Outbox, ..Envelope::default() };
    let checked = match serde_json::from_str::<Draft<'_>>(&row.draft) {
        Ok(draft) => engine.check(&Caller::admin(), draft, envelope()).await.map(|(pending, _)| pending),
        Err(error) => Err(EngineError::invalid("", error.to_string())),
    };
    match checked {
        Ok(pending) => {
            let matched = pending.matched;
            let waiting = Waiting {
                id: row.id,
                tenant: pending.tenant,
                topic: pending.topic,
                content_type: pending.content_type,
                deliver_at: pending.deliver_at,
                extras: pending.extras,
                payload: pending.payload,
                idempotency: pending.idempotency,
            };
            Ok((waiting.to(&pending.targets, now), matched))
        }
        Err(error @ (EngineError::Unavailable | EngineError::Busy { .. } | EngineError::Internal(_))) => Err(error),
        Err(error) => Ok((refused(row, Some(&error)).to(&[], now), engine.0.catalog.version())),
    }
}

/// A message of which no more is taken than can be read, with the refusal in it.
fn refused(row: &OutboxRow, error: Option<&EngineError>) -> Waiting {
    let draft: Value = serde_json::from_str(&row.draft).unwrap_or_default();
    let text = |name: &str| draft.get(name).and_then(Value::as_str);
    let extras = MessageExtras { origin: Origin::Outbox, rejection: error.map(rejection), ..MessageExtras::default() };
    Waiting {
        id: row.id,
        tenant: text("tenant").and_then(|tenant| tenant.parse::<Tenant>().ok()).unwrap_or_else(Tenant::default_tenant),
        topic: text("topic").and_then(|topic| topic.parse::<TopicName>().ok()),
        content_type: text("content_type").unwrap_or("application/json").to_owned(),
        deliver_at: None,
        extras,
        payload: draft.get("payload").map(ToString::to_string).unwrap_or_default().into(),
        idempotency: None,
    }
}

impl Engine {
    /// Somebody left a message in the outbox: it is looked at now rather than at the next poll.
    pub fn outbox_filled(&self) {
        self.0.outbox_hint.notify_one();
    }

    /// A message that still waits in the outbox, as far as it can be shown before it is taken in.
    pub(crate) async fn outbox_message(&self, id: MessageId) -> Result<Option<Message>> {
        let Some(row) = self.0.store.outbox_row(id).await? else { return Ok(None) };
        let new = refused(&row, None).to(&[], row.at);
        Ok(Some(std::sync::Arc::unwrap_or_clone(new.message)))
    }
}
