//! The table.

use super::build::{SINCE, TENANT, TOPIC, UNTIL, column, create, delete, field, list, show, update, verb};
use super::endpoints::ENDPOINTS;
use super::schedules::SCHEDULES;
use super::{Action, Column, Kind, Resource};

/// Every resource, in the order of `--help`.
pub const ALL: &[Resource] = &[TOPICS, ENDPOINTS, MESSAGES, DELIVERIES, ATTEMPTS, SCHEDULES, REPLAYS, KEYS];

const TOPICS: Resource = Resource {
    name: "topics",
    about: "Named kinds of events",
    path: "/v1/topics",
    id: "NAME",
    examples: "Examples:
  posthaste topics create order.created --title 'An order was placed'
  posthaste topics list
  posthaste topics delete order.created --force",
    actions: &[
        create(
            "Make a topic",
            field("name", "name", Kind::Text, "Its name, such as order.created"),
            &[
                field("tenant", "tenant", Kind::Text, "For this tenant alone; without it for all"),
                field("title", "title", Kind::Text, "A short title"),
                field("description", "description", Kind::Text, "What the event means"),
                field("example", "example", Kind::Json, "An example payload"),
            ],
        ),
        list(
            "List topics, newest first",
            &[TENANT],
            &[
                column("NAME", "/name"),
                column("TENANT", "/tenant"),
                column("TITLE", "/title"),
                column("CREATED", "/created_at"),
            ],
        ),
        show("Show a topic", &[TENANT]),
        update(
            "Change a topic",
            &[
                field("title", "title", Kind::Text, "A short title"),
                field("description", "description", Kind::Text, "What the event means"),
                field("example", "example", Kind::Json, "An example payload"),
            ],
            &[TENANT],
        ),
        delete(
            "Delete a topic",
            &[TENANT, field("force", "force", Kind::Flag, "Even while endpoints name it")],
            "deleted",
        ),
    ],
};

const MESSAGES: Resource = Resource {
    name: "messages",
    about: "Accepted events; `posthaste send` publishes one",
    path: "/v1/messages",
    id: "ID",
    examples: "Examples:
  posthaste messages list --topic order.created --limit 10
  posthaste messages show msg_01j…",
    actions: &[
        list(
            "List messages, newest first",
            &[
                TENANT,
                TOPIC,
                field("uid", "uid", Kind::Text, "Only with this id of the caller's own"),
                field("ordering-key", "ordering_key", Kind::Text, "Only with this label"),
                SINCE,
                UNTIL,
            ],
            &[
                column("ID", "/id"),
                column("TENANT", "/tenant"),
                column("TOPIC", "/topic"),
                column("DELIVERIES", "/deliveries"),
                column("CREATED", "/created_at"),
            ],
        ),
        show("Show a message with its payload", &[TENANT]),
        Action {
            name: "explain",
            path: "/{id}/explain",
            ..show("Show for each endpoint why it matched or not, and what happens next", &[TENANT])
        },
        delete("Cancel what of it is still pending", &[TENANT], "what was pending is cancelled"),
    ],
};

const DELIVERY_COLUMNS: &[Column] = &[
    column("ID", "/id"),
    column("STATUS", "/status"),
    column("TOPIC", "/topic"),
    column("ATTEMPTS", "/attempts"),
    column("CODE", "/last_status_code"),
    column("WAITING FOR", "/waiting_for"),
    column("NEXT ATTEMPT", "/next_attempt_at"),
    column("URL", "/url"),
];

const ATTEMPT_COLUMNS: &[Column] = &[
    column("ID", "/id"),
    column("NUMBER", "/number"),
    column("AT", "/at"),
    column("OUTCOME", "/outcome"),
    column("CODE", "/status_code"),
    column("MS", "/duration_ms"),
    column("ERROR", "/error"),
];

const DELIVERIES: Resource = Resource {
    name: "deliveries",
    about: "What is owed to each endpoint, and what became of it",
    path: "/v1/deliveries",
    id: "ID",
    examples: "Examples:
  posthaste deliveries list --status failed
  posthaste deliveries attempts dlv_01j…
  posthaste deliveries retry dlv_01j…",
    actions: &[
        list(
            "List deliveries, newest first",
            &[
                field("status", "status", Kind::Text, "Only in this state: pending, succeeded, failed or cancelled"),
                field("endpoint", "endpoint_id", Kind::Text, "Only to this endpoint"),
                field("message", "message_id", Kind::Text, "Only of this message"),
                TOPIC,
                TENANT,
                SINCE,
                UNTIL,
            ],
            DELIVERY_COLUMNS,
        ),
        show("Show a delivery", &[]),
        Action { parameters: &[], ..verb("retry", "Begin a fresh schedule", "/{id}/retry") },
        Action { parameters: &[], ..verb("cancel", "Make no further attempt", "/{id}/cancel") },
        Action {
            name: "attempts",
            path: "/{id}/attempts",
            ..list("List a delivery's attempts, newest first", &[], ATTEMPT_COLUMNS)
        },
    ],
};

const ATTEMPTS: Resource = Resource {
    name: "attempts",
    about: "Single exchanges; `posthaste deliveries attempts` lists them",
    path: "/v1/attempts",
    id: "ID",
    examples: "Example:
  posthaste attempts show att_01j…",
    actions: &[show("Show an attempt: its request and what was kept of the response", &[])],
};

const REPLAYS: Resource = Resource {
    name: "replays",
    about: "Replays under way and done; `posthaste replay` begins one",
    path: "/v1/replays",
    id: "ID",
    examples: "Example:
  posthaste replays list",
    actions: &[
        list(
            "List replays, newest first",
            &[],
            &[
                column("ID", "/id"),
                column("ENDPOINT", "/endpoint_id"),
                column("STATE", "/state"),
                column("MATCHED", "/matched"),
                column("SENT", "/sent"),
                column("CREATED", "/created_at"),
            ],
        ),
        show("Show a replay", &[]),
        Action { parameters: &[], ..verb("cancel", "Send no more of it", "/{id}/cancel") },
    ],
};

const KEYS: Resource = Resource {
    name: "keys",
    about: "API keys",
    path: "/v1/keys",
    id: "ID",
    examples: "Examples:
  posthaste keys create ci --scope publish --scope read
  posthaste keys create acme-portal --scope endpoints --tenant acme --expires-at 2030-01-01T00:00:00Z",
    actions: &[
        create(
            "Make a key; it is shown this once",
            field("name", "name", Kind::Text, "A name for people"),
            &[
                field("scope", "scopes", Kind::Texts, "admin, publish, read or endpoints; may be repeated"),
                field("tenant", "tenant", Kind::Text, "For this tenant alone"),
                field("expires-at", "expires_at", Kind::Text, "Ends at this time (RFC 3339)"),
            ],
        ),
        list(
            "List keys, newest first",
            &[TENANT],
            &[
                column("ID", "/id"),
                column("NAME", "/name"),
                column("SCOPES", "/scopes"),
                column("TENANT", "/tenant"),
                column("EXPIRES", "/expires_at"),
                column("LAST USED", "/last_used_at"),
            ],
        ),
        delete("End a key, everywhere at once", &[], "ended"),
    ],
};
