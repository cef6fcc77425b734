//! Schedules: a cron expression and a zone that publish a message each time they are due.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, MessageId, ScheduleId};
use crate::time::Timestamp;
use crate::topic::{Tenant, TopicName};

/// The node number in the ids of messages that schedules publish; no node has it.
pub const SCHEDULE_NODE: u16 = 1_022;
/// The node number in the ids of messages that come through the SQL outbox; no node has it.
pub const OUTBOX_NODE: u16 = 1_023;

/// A schedule as the catalog keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Tells it apart in the ids of its messages; given by the store, below 2²⁴, never twice.
    pub number: u32,
    /// Whose it is.
    pub tenant: Tenant,
    /// The caller's own id, unique per tenant.
    pub uid: Option<String>,
    /// What the caller chose.
    pub settings: ScheduleSettings,
    /// When it is due next; `None`: never, or not while it is not enabled.
    pub next_fire_at: Option<Timestamp>,
    /// The last due time for which it published.
    pub last_fire_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub revision: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Schedule {
    /// The id of the message that it publishes for a due time: always the same one, so that no due time has two.
    pub fn message_id(&self, fire_at: Timestamp) -> MessageId {
        MessageId::compose(fire_at, SCHEDULE_NODE, self.number)
    }
}

/// What a caller chooses about a schedule; stored as one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ScheduleSettings {
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// When: 5 or 6 fields, or `@daily` and its like.
    pub cron: String,
    /// In which IANA zone.
    #[serde(default = "default_zone")]
    pub timezone: String,
    /// What is published: the topic.
    #[serde(default)]
    pub topic: Option<TopicName>,
    /// What is published: to this endpoint alone.
    #[serde(default)]
    pub endpoint_id: Option<EndpointId>,
    /// The payload: any JSON.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    /// The payload as text.
    #[serde(default)]
    pub payload_text: Option<String>,
    /// The payload as Base64.
    #[serde(default)]
    pub payload_base64: Option<String>,
    /// Its content type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Headers that win over the endpoint's.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The messages' notes.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Whether it fires.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// What becomes of due times at which nobody was there to fire.
    #[serde(default)]
    pub missed: Missed,
}

/// `null` is a payload too: the JSON null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

fn default_zone() -> String {
    "UTC".to_owned()
}
const fn default_enabled() -> bool {
    true
}

/// What becomes of due times at which nobody was there to fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One message for each gap.
    #[default]
    FireOnce,
    /// One message for each, at most the last 1,000.
    FireAll,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_not_there_is_not_read_back_as_the_json_null() {
        for given in [r#"{"cron":"@daily","payload_text":"x"}"#, r#"{"cron":"@daily","payload":null}"#] {
            let settings: ScheduleSettings = serde_json::from_str(given).unwrap();
            let stored = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<ScheduleSettings>(&stored).unwrap(), settings, "{stored}");
        }
    }
}
