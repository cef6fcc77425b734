//! What a delivery leaves behind when it fails for good: the message itself, sent to its endpoint's dead-letter endpoint,
//! and a system event for whoever listens. Both are published in the transaction that records the end.

use std::sync::Arc;

use bytes::Bytes;
use posthaste_core::delivery::{DeliveryStatus, Next};
use posthaste_core::filter::Payload;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Origin, Timestamp, TopicName};
use posthaste_store::queue::{Follow, FollowKind};
use posthaste_store::{NewMessage, Settled};
use serde_json::json;

use crate::Engine;
use crate::addressing::{Addressing, Subject};
use crate::announce;
use crate::catalog::{EndpointView, TenantView};
use crate::dispatch::job::Job;
use crate::waiting::Waiting;

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
        let made = Made {
            topic: original.topic.clone(),
            content_type: original.content_type.clone(),
            targets: std::slice::from_ref(target),
            extras,
            payload,
        };
        let message = self.left_message(job, made, self.0.clock.now());
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
        let content_type = "application/json".to_owned();
        let made = Made { topic: Some(topic), content_type, targets: &targets, extras, payload };
        let message = self.left_message(job, made, self.0.clock.now());
        Some(Follow { of: job.delivery, kind: FollowKind::Event, message })
    }

    fn left_message(&self, job: &Job, made: Made<'_>, now: Timestamp) -> NewMessage {
        let waiting = Waiting {
            id: self.mint(now),
            tenant: job.message.tenant.clone(),
            topic: made.topic,
            content_type: made.content_type,
            deliver_at: None,
            extras: made.extras,
            payload: made.payload,
            idempotency: None,
        };
        waiting.to(made.targets, now)
    }
}

/// What a message that follows is made of.
struct Made<'a> {
    topic: Option<TopicName>,
    content_type: String,
    targets: &'a [Arc<EndpointView>],
    extras: MessageExtras,
    payload: Bytes,
}
