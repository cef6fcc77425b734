//! What can be done without naming a resource first.

use super::build::{TENANT, column, create, field, list, show};
use super::endpoints::REPLAY;
use super::{Action, Call, Kind, Method, Shows};

/// What needs no resource's name before it.
pub const CALLS: &[Call] = &[
    Call {
        path: "/v1/endpoints",
        action: REPLAY,
        id: "ENDPOINT",
        examples: "Examples:
  posthaste replay ep_01j… --status missed --since 2030-01-01T00:00:00Z
  posthaste replay ep_01j… --status all --dry-run",
    },
    Call {
        path: "/v1/subscribe",
        action: Action {
            name: "subscribe",
            shows: Shows::Object,
            ..create(
                "Make a URL get a topic's messages",
                field("url", "url", Kind::Text, "Where to send: http or https"),
                &[
                    field("topic", "topic", Kind::Text, "The topic or pattern"),
                    TENANT,
                    field("verification", "verification", Kind::Text, "none, token or cloudevents"),
                ],
            )
        },
        id: "",
        examples: "Example:
  posthaste subscribe https://example.com/hook --topic 'order.*'",
    },
    Call {
        path: "/v1/unsubscribe",
        action: Action {
            name: "unsubscribe",
            ..create(
                "Make a URL get no more of a topic, or nothing at all",
                field("url", "url", Kind::Text, "The URL"),
                &[field("topic", "topic", Kind::Text, "The topic or pattern; without it all"), TENANT],
            )
        },
        id: "",
        examples: "Example:
  posthaste unsubscribe https://example.com/hook",
    },
    Call {
        path: "/v1/erase",
        action: Action {
            name: "erase",
            about: "Erase what is kept of a tenant, topic, endpoint, message or delivery",
            method: Method::Post,
            path: "",
            subject: None,
            members: &[
                field("tenant", "tenant", Kind::Text, "Of this tenant"),
                field("topic", "topic", Kind::Text, "Of this topic"),
                field("endpoint", "endpoint_id", Kind::Text, "Of this endpoint"),
                field("message", "message_id", Kind::Text, "This message"),
                field("delivery", "delivery_id", Kind::Text, "This delivery"),
                field("metadata", "metadata", Kind::Notes, "With this note, as `key=value`; may be repeated"),
                field("before", "before", Kind::Text, "Only accepted before this time (RFC 3339)"),
            ],
            parameters: &[],
            shows: Shows::Object,
        },
        id: "",
        examples: "Example:
  posthaste erase --tenant acme --before 2030-01-01T00:00:00Z",
    },
    Call {
        path: "/v1/tenants",
        action: Action {
            name: "tenants",
            ..list("List the tenants that own anything, by name", &[], &[column("NAME", "/name")])
        },
        id: "",
        examples: "Example:
  posthaste tenants",
    },
    Call {
        path: "/v1/stats",
        action: Action {
            name: "stats",
            path: "",
            ..show("Show how a server is doing: its backlog, its nodes", &[TENANT])
        },
        id: "",
        examples: "Example:
  posthaste stats --tenant acme",
    },
];
