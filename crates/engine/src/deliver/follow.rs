//! What a delivery leaves behind when it fails for good: the message itself, sent to its endpoint's dead-letter endpoint,
//! and a system event for whoever listens. Both are published in the transaction that records the end.

use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::delivery::{DeliveryStatus, Next};
use posthaste_core::filter::Payload;
use posthaste_core::id::BatchId;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Message, Origin, Timestamp, TopicName, WaitingFor};
use posthaste_store::queue::{Follow, FollowKind, Wait};
use posthaste_store::{NewMessage, Settled};
use serde_json::json;

use crate::Engine;
use crate::addressing::{Addressing, Subject};
use crate::announce;
use crate::catalog::{EndpointView, TenantView};
use crate::commit::order_of;
use crate::dispatch::job::Job;

impl Engine {
    /// The messages that follow from what is about to be recorded.
    pub(crate) async fn left_behind(&self, job: &Job, view: Option<&EndpointView>, settled: &Settled) -> Vec<Follow> {
        let (Next::Close { status: DeliveryStatus::Failed, .. }, Some(view)) = (&settled.next, view) else {
            return Vec::new();
        };
        // Without the catalog there is no telling who wants it; the failed delivery itself is kept and shown.
        let Ok((catalog, _)) = self.0.catalog.view(&job.message.tenant).await else { return Vec::new() };
        let dead_letter = self.dead_letter(job, view, &catalog);
        dead_letter.into_iter().chain(self.failure_event(job, settled, &catalog)).collect()
    }

    /// The same payload, as a message of its own.
    fn dead_letter(&self, job: &Job, view: &EndpointView, catalog: &TenantView) -> Option<Follow> {
        let target = catalog.endpoint(view.endpoint.settings.dead_letter_endpoint_id?)?;
        if !target.endpoint.state.takes_deliveries() {
            return None;
        }
        let payload = job.payload.clone()?;
        let original = &job.message;
        let extras = MessageExtras {
            uid: None,
            expires_at: None,
            addressed: true,
            origin: Origin::DeadLetter { delivery_id: job.delivery },
            rejection: None,
            ..original.extras.clone()
        };
        let kind = (original.topic.clone(), original.content_type.clone());
        let message = self.waiting_message(job, kind, std::slice::from_ref(target), extras, payload);
        Some(Follow { of: job.delivery, kind: FollowKind::DeadLetter, message })
    }

    /// Says that a delivery failed. Not of the delivery of such a saying.
    fn failure_event(&self, job: &Job, settled: &Settled, catalog: &TenantView) -> Option<Follow> {
        let topic: TopicName = announce::DELIVERY_FAILED.parse().ok()?;
        if job.message.extras.origin == Origin::System || catalog.wanting(&topic).is_empty() {
            return None;
        }
        let Next::Close { reason, .. } = settled.next else { return None };
        let event = json!({
            "type": announce::DELIVERY_FAILED,
            "delivery_id": job.delivery,
            "message_id": job.message.id,
            "endpoint_id": job.endpoint,
            "tenant": job.message.tenant,
            "topic": job.message.topic,
            "reason": reason,
            "attempts": settled.progress.attempts,
            "last_status_code": settled.progress.last_status_code,
            "last_error": settled.progress.last_error,
            "at": settled.at,
        });
        let payload = Bytes::from(serde_json::to_vec(&event).ok()?);
        let extras = MessageExtras { origin: Origin::System, ..MessageExtras::default() };
        let targets = {
            let body = Payload::new(&payload);
            Addressing::Topic.targets(catalog, &Subject::new(Some(&topic), &extras, &body)).ok()?
        };
        if targets.is_empty() {
            return None;
        }
        let kind = (Some(topic), "application/json".to_owned());
        let message = self.waiting_message(job, kind, &targets, extras, payload);
        Some(Follow { of: job.delivery, kind: FollowKind::Event, message })
    }

    fn waiting_message(
        &self,
        job: &Job,
        (topic, content_type): (Option<TopicName>, String),
        targets: &[Arc<EndpointView>],
        extras: MessageExtras,
        payload: Bytes,
    ) -> NewMessage {
        let now = self.0.clock.now();
        let id = self.mint(now);
        let key = extras.ordering_key.as_deref();
        let waits = (1u32..).zip(targets).map(|(position, view)| wait(position, view, key, now)).collect();
        let message = Message {
            id,
            tenant: job.message.tenant.clone(),
            topic,
            content_type,
            targets: targets.iter().map(|view| view.target()).collect(),
            batch: BatchId::from_bits(id.bits()),
            deliver_at: None,
            extras,
        };
        NewMessage { message: Arc::new(message), payload, idempotency: None, waits }
    }
}

fn wait(position: u32, view: &EndpointView, ordering_key: Option<&str>, now: Timestamp) -> Wait {
    let order = order_of(view, ordering_key);
    let waiting_for = match () {
        () if !view.endpoint.state.sends() => WaitingFor::EndpointPaused,
        () if order != 0 => WaitingFor::Order,
        () if view.endpoint.settings.rate_limit.is_some() => WaitingFor::RateLimit,
        () => WaitingFor::InFlight,
    };
    Wait { position, due_at: now, waiting_for, order }
}
