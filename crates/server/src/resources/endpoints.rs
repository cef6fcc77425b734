//! Endpoints, which have the most to say.

use super::build::{TENANT, TOPIC, column, create, delete, field, list, show, update, verb};
use super::{Action, Field, Kind, Method, Resource, Shows};

/// Also an action of endpoints.
pub const REPLAY: Action = Action {
    name: "replay",
    about: "Send an endpoint again what failed, or what it missed",
    method: Method::Post,
    path: "/{id}/replay",
    subject: None,
    members: &[
        field("status", "status", Kind::Text, "failed, missed, succeeded or all"),
        field("since", "since", Kind::Text, "Only accepted at or after this time (RFC 3339)"),
        field("until", "until", Kind::Text, "Only accepted before this time (RFC 3339)"),
        field("dry-run", "dry_run", Kind::Flag, "Only count"),
    ],
    parameters: &[TENANT],
    shows: Shows::Object,
};

const ENDPOINT_POLICY: [Field; 11] = [
    field("topic", "topics", Kind::Texts, "A topic or pattern (order.*, *) it wants; may be repeated"),
    field("name", "name", Kind::Text, "A name for people"),
    field("method", "method", Kind::Text, "The HTTP method of its requests"),
    field("header", "headers", Kind::Headers, "A header of each request, as `Name: value`; may be repeated"),
    field("content-type", "content_type", Kind::Text, "Replaces the messages' content type"),
    field("max-attempts", "max_attempts", Kind::Number, "The most attempts of one delivery"),
    field("timeout-seconds", "timeout_seconds", Kind::Number, "How long one exchange may take"),
    field(
        "success-code",
        "success_codes",
        Kind::Numbers,
        "A status that is a success, instead of any 2xx; may be repeated",
    ),
    field("max-in-flight", "max_in_flight", Kind::Number, "How many exchanges may run at once, on each node"),
    field("disable-after-seconds", "disable_after_seconds", Kind::Number, "Disabled after failing for so long"),
    field("metadata", "metadata", Kind::Notes, "A note, as `key=value`; may be repeated"),
];

const ENDPOINT_CREATE: [Field; 14] = {
    let p = ENDPOINT_POLICY;
    [
        p[0],
        p[1],
        p[2],
        p[3],
        p[4],
        p[5],
        p[6],
        p[7],
        p[8],
        p[9],
        p[10],
        field("secret", "secret", Kind::Text, "Its signing secret (whsec_… or any text); without it one is made"),
        field("tenant", "tenant", Kind::Text, "Whose; without it the key's, else `default`"),
        field("uid", "uid", Kind::Text, "The caller's own id; `uid:…` then works as an id"),
    ]
};

const ENDPOINT_UPDATE: [Field; 12] = {
    let p = ENDPOINT_POLICY;
    [
        p[0],
        p[1],
        p[2],
        p[3],
        p[4],
        p[5],
        p[6],
        p[7],
        p[8],
        p[9],
        p[10],
        field("url", "url", Kind::Text, "Where to send"),
    ]
};

/// The resource.
pub const ENDPOINTS: Resource = Resource {
    name: "endpoints",
    about: "URLs that want messages, each with its policy",
    path: "/v1/endpoints",
    id: "ID",
    examples: "Examples:
  posthaste endpoints create https://example.com/hook --topic 'order.*'
  posthaste endpoints create https://example.com/hook --topic '*' --set retry.schedule_seconds=[5,60,600]
  posthaste endpoints update ep_01j… --max-attempts 3
  posthaste endpoints rotate-secret ep_01j…",
    actions: &[
        create(
            "Register an endpoint",
            field("url", "url", Kind::Text, "Where to send: http or https"),
            &ENDPOINT_CREATE,
        ),
        list(
            "List endpoints, newest first",
            &[
                TENANT,
                TOPIC,
                field(
                    "state",
                    "state",
                    Kind::Text,
                    "Only in this state: active, paused, disabled or pending_verification",
                ),
                field("adhoc", "adhoc", Kind::Flag, "Those made from the URLs of messages too"),
            ],
            &[
                column("ID", "/id"),
                column("TENANT", "/tenant"),
                column("STATE", "/state"),
                column("URL", "/url"),
                column("TOPICS", "/topics"),
                column("CREATED", "/created_at"),
            ],
        ),
        show("Show an endpoint", &[TENANT]),
        update("Change an endpoint", &ENDPOINT_UPDATE, &[TENANT]),
        delete("Delete an endpoint; what waits for it is cancelled", &[TENANT], "deleted"),
        verb("pause", "Keep its deliveries, send none", "/{id}/pause"),
        verb("resume", "Send again", "/{id}/resume"),
        verb("test", "Send a test now, and show the attempt", "/{id}/test"),
        Action {
            members: &[
                field("overlap-seconds", "overlap_seconds", Kind::Number, "How long the old secret signs too"),
                field("secret", "secret", Kind::Text, "The new secret; without it one is made"),
            ],
            ..verb("rotate-secret", "Replace its signing secret", "/{id}/rotate-secret")
        },
        REPLAY,
        Action {
            members: &[field(
                "token",
                "token",
                Kind::Text,
                "The token that was sent there; without it a new one is sent",
            )],
            ..verb("verify", "Prove that it is its owner's, or ask again for the proof", "/{id}/verify")
        },
        Action { method: Method::Get, ..verb("secret", "Show its signing secret", "/{id}/secret") },
        Action { method: Method::Get, ..verb("stats", "Show what happened at it", "/{id}/stats") },
    ],
};
