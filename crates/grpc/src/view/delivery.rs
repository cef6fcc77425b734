//! A delivery as a message.

use posthaste_engine::deliveries::DeliveryDetail;

use crate::enums::{Numbered as _, number_or_none};
use crate::{instant, proto};

/// A delivery.
pub fn delivery(detail: DeliveryDetail) -> proto::Delivery {
    let outline = detail.outline();
    let DeliveryDetail { delivery, url, waiting_for, next_attempt_at } = detail;
    proto::Delivery {
        id: delivery.id.to_string(),
        message_id: delivery.id.message().to_string(),
        endpoint_id: delivery.endpoint.to_string(),
        endpoint_revision: delivery.endpoint_revision,
        tenant: delivery.tenant.into(),
        topic: delivery.topic.map(Into::into),
        url,
        status: outline.status.number(),
        status_at: Some(instant::show(outline.status_at)),
        reason: number_or_none(outline.reason),
        attempts: outline.attempts,
        next_attempt_at: next_attempt_at.map(instant::show),
        waiting_for: number_or_none(waiting_for),
        last_status_code: outline.last_status_code.map(u32::from),
        last_error: outline.last_error,
        created_at: Some(instant::show(outline.created_at)),
        finished_at: outline.finished_at.map(instant::show),
    }
}
