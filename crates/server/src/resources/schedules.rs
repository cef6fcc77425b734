//! The table's entry for schedules.

use super::build::{TENANT, column, create, delete, field, list, show, update, verb};
use super::{Field, Kind, Resource};

const MEMBERS: &[Field] = &[
    field("name", "name", Kind::Text, "A name for people"),
    field("timezone", "timezone", Kind::Text, "The IANA zone that the expression is read in, such as Europe/Berlin"),
    field("topic", "topic", Kind::Text, "The topic that is published"),
    field("endpoint", "endpoint_id", Kind::Text, "The one endpoint that gets it, instead of a topic's"),
    field("payload", "payload", Kind::Json, "The payload"),
    field("text", "payload_text", Kind::Text, "The payload as a text that is not JSON"),
    field("content-type", "content_type", Kind::Text, "Replaces the content type"),
    field("header", "headers", Kind::Headers, "A header of each request, as `Name: value`; may be repeated"),
    field("missed", "missed", Kind::Text, "What becomes of due times that were missed: skip, fire_once or fire_all"),
    field("uid", "uid", Kind::Text, "The caller's own id"),
    field("tenant", "tenant", Kind::Text, "Whose; without it the key's, else `default`"),
];

const CHANGES: &[Field] = &[
    field("cron", "cron", Kind::Text, "When: 5 or 6 fields, or @daily and its like"),
    field("name", "name", Kind::Text, "A name for people"),
    field("timezone", "timezone", Kind::Text, "The IANA zone that the expression is read in"),
    field("topic", "topic", Kind::Text, "The topic that is published"),
    field("payload", "payload", Kind::Json, "The payload"),
    field("header", "headers", Kind::Headers, "A header of each request, as `Name: value`; may be repeated"),
    field("enabled", "enabled", Kind::Json, "true or false"),
    field("missed", "missed", Kind::Text, "What becomes of due times that were missed: skip, fire_once or fire_all"),
];

/// Schedules.
pub const SCHEDULES: Resource = Resource {
    name: "schedules",
    about: "Cron expressions that publish messages",
    path: "/v1/schedules",
    id: "ID",
    examples: "Examples:
  posthaste schedules create '0 9 * * mon-fri' --timezone Europe/Berlin --topic report.due --payload '{}'
  posthaste schedules update sch_01j… --enabled false
  posthaste schedules fire sch_01j…",
    actions: &[
        create(
            "Make a schedule",
            field("cron", "cron", Kind::Text, "When: 5 or 6 fields, or @daily and its like"),
            MEMBERS,
        ),
        list(
            "List schedules, newest first",
            &[TENANT],
            &[
                column("ID", "/id"),
                column("NAME", "/name"),
                column("CRON", "/cron"),
                column("TIMEZONE", "/timezone"),
                column("TOPIC", "/topic"),
                column("ENABLED", "/enabled"),
                column("NEXT", "/next_fire_at"),
                column("LAST", "/last_fire_at"),
            ],
        ),
        show("Show a schedule", &[TENANT]),
        update("Change a schedule", CHANGES, &[TENANT]),
        verb("fire", "Publish its message now, beside its due times", "/{id}/fire"),
        delete("Delete a schedule; what it published stays", &[TENANT], "deleted"),
    ],
};
