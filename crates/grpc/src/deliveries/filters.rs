//! What the lists filter by, as the engine takes it.

use posthaste_core::DeliveryStatus;
use posthaste_engine::{Caller, EngineError};
use posthaste_store::history::{DeliveryFilter, MessageFilter};
use posthaste_store::jobs::{JobFilter, JobState};

use crate::enums::Numbered as _;
use crate::instant;
use crate::page::{invalid, name};
use crate::proto::{ListDeliveriesRequest, ListMessagesRequest, ListReplaysRequest};

/// Which messages.
pub fn messages(caller: &Caller, given: ListMessagesRequest) -> Result<MessageFilter, EngineError> {
    Ok(MessageFilter {
        tenant: caller.tenant_filter(given.tenant.as_deref())?,
        topic: name(given.topic.as_deref(), "/topic")?,
        ordering_key: given.ordering_key,
        metadata: given.metadata.into_iter().collect(),
        rejected: given.rejected,
        since: instant::read(given.since, "/since").map_err(invalid)?,
        until: instant::read(given.until, "/until").map_err(invalid)?,
    })
}

/// Which deliveries.
pub fn deliveries(caller: &Caller, given: &ListDeliveriesRequest) -> Result<DeliveryFilter, EngineError> {
    Ok(DeliveryFilter {
        tenant: caller.tenant_filter(given.tenant.as_deref())?,
        message: name(given.message_id.as_deref(), "/message_id")?,
        endpoint: name(given.endpoint_id.as_deref(), "/endpoint_id")?,
        status: DeliveryStatus::read(given.status, "/status").map_err(invalid)?,
        topic: name(given.topic.as_deref(), "/topic")?,
        since: instant::read(given.since, "/since").map_err(invalid)?,
        until: instant::read(given.until, "/until").map_err(invalid)?,
    })
}

/// Which replays.
pub fn replays(caller: &Caller, given: &ListReplaysRequest) -> Result<JobFilter, EngineError> {
    Ok(JobFilter {
        kind: None,
        tenant: caller.tenant_filter(given.tenant.as_deref())?,
        endpoint: name(given.endpoint_id.as_deref(), "/endpoint_id")?,
        state: JobState::read(given.state, "/state").map_err(invalid)?,
    })
}
