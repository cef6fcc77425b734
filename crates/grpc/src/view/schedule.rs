//! A schedule as a message.

use posthaste_core::Schedule;
use posthaste_engine::schedules::payload_of;

use crate::enums::Numbered as _;
use crate::{instant, proto};

/// A schedule.
pub fn schedule(schedule: Schedule) -> proto::Schedule {
    let next_message_id = schedule.next_fire_at.map(|at| schedule.message_id(at).to_string());
    // What is stored was checked when it came; if its payload is unreadable all the same, it is shown without.
    let payload = payload_of(&schedule.settings).ok();
    let settings = schedule.settings;
    let (payload, content_type) = payload.map_or((None, None), |(payload, kind)| (Some(payload), Some(kind)));
    proto::Schedule {
        id: schedule.id.to_string(),
        tenant: schedule.tenant.into(),
        uid: schedule.uid,
        settings: Some(proto::ScheduleSettings {
            name: settings.name,
            cron: Some(settings.cron),
            timezone: Some(settings.timezone),
            topic: settings.topic.map(Into::into),
            endpoint_id: settings.endpoint_id.map(|id| id.to_string()),
            payload,
            content_type,
            headers: settings.headers,
            metadata: settings.metadata,
            enabled: Some(settings.enabled),
            missed: settings.missed.number(),
        }),
        next_fire_at: schedule.next_fire_at.map(instant::show),
        last_fire_at: schedule.last_fire_at.map(instant::show),
        next_message_id,
        revision: schedule.revision,
        created_at: Some(instant::show(schedule.created_at)),
        updated_at: Some(instant::show(schedule.updated_at)),
    }
}
