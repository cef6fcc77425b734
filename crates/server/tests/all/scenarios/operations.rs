//! What each operation is in GraphQL: a field, its arguments, and what is asked of its answer.

use serde_json::{Map, Value};

/// A field of the root, or the way to one within it.
pub struct Operation {
    /// What a row calls it.
    pub does: &'static str,
    kind: &'static str,
    /// The fields from the root to the answer.
    pub path: &'static str,
    /// The argument that names the object.
    pub object: &'static str,
    /// The argument that takes the document; empty: its members are arguments.
    pub document: &'static str,
    /// The arguments of each field of the path, with their types.
    arguments: &'static [&'static str],
    selection: &'static str,
}

impl Operation {
    /// The operation's text, with the arguments for which there are variables.
    pub fn text(&self, variables: &Map<String, Value>) -> String {
        let mut declared = Vec::new();
        let mut fields = Vec::new();
        for (field, arguments) in self.path.split('.').zip(self.arguments) {
            let mut passed = Vec::new();
            for argument in arguments.split(", ").filter(|argument| !argument.is_empty()) {
                let (name, _) = argument.split_once(": ").unwrap();
                if variables.contains_key(name) {
                    declared.push(format!("${argument}"));
                    passed.push(format!("{name}: ${name}"));
                }
            }
            let passed = if passed.is_empty() { String::new() } else { format!("({})", passed.join(", ")) };
            fields.push(format!("{field}{passed}"));
        }
        let declared = if declared.is_empty() { String::new() } else { format!("({})", declared.join(", ")) };
        let inner = format!("{} {}", fields.join(" { "), self.selection);
        format!("{}{declared} {{ {inner} {}", self.kind, "} ".repeat(fields.len()))
    }
}

const TOPIC: &str = "{ tenant name title description schema example revision createdAt updatedAt }";
const TOPICS: &str =
    "{ data { tenant name title description schema example revision createdAt updatedAt } nextCursor }";

macro_rules! endpoint {
    () => {
        "id tenant uid adhoc name url topics filter method headers contentType bodyFormat signatureStyles maxAttempts \
         giveUpAfterSeconds timeoutSeconds retry { scheduleSeconds minBackoffSeconds maxBackoffSeconds factor jitter } \
         retryAfter successCodes requireEmptyResponse rateLimit { perSecond burst } maxInFlight ordering fifoOnFailed \
         guarantee settings verification deadLetterEndpointId disableAfterSeconds metadata state stateReason revision \
         createdAt updatedAt"
    };
}
macro_rules! message {
    () => {
        "id tenant topic uid contentType headers deliverAt expiresAt orderingKey metadata deliveryCount origin rejection \
         createdAt"
    };
}
macro_rules! delivery {
    () => {
        "id messageId endpointId endpointRevision tenant topic url status statusAt reason attemptCount nextAttemptAt \
         waitingFor lastStatusCode lastError createdAt finishedAt"
    };
}
macro_rules! attempt {
    () => {
        "id deliveryId number at durationMs outcome statusCode error \
         request { method url httpVersion headers { name value } body bodyBase64 } \
         response { httpVersion statusCode reason headers { name value } body bodyBase64 truncated }"
    };
}
macro_rules! replay {
    () => {
        "id endpointId filter { since until status dryRun } state matched sent createdAt"
    };
}
macro_rules! schedule {
    () => {
        "id tenant uid name cron timezone topic endpointId payload payloadText payloadBase64 contentType headers metadata \
         enabled missed nextFireAt lastFireAt nextMessageId revision createdAt updatedAt"
    };
}
macro_rules! key {
    () => {
        "id name scopes tenant expiresAt lastUsedAt createdAt"
    };
}
macro_rules! one {
    ($fields:expr) => {
        concat!("{ ", $fields, " }")
    };
}
macro_rules! page {
    ($fields:expr) => {
        concat!("{ data { ", $fields, " } nextCursor }")
    };
}

const RECEIPT: &str = "{ id tenant topic deliveries duplicate createdAt }";
const ITEMS: &str =
    "{ receipt { id tenant topic deliveries duplicate createdAt } error { code status errors { pointer } } }";
const SECRETS: &str = "{ secret publicKey previous { secret expiresAt } }";
const ERASURE: &str = "{ id tenant state matched erased createdAt }";
const STATS: &str = "{ endpoints backlog waiting failed oldestPendingAt \
     nodes { id roles leader heartbeatAt version } \
     server { version now sealsSecrets schemaVersion allowedNetworks } }";
const ENDPOINT_STATS: &str = "{ windowSeconds succeeded failed pending oldestPendingAt attempts successRate \
     durationMs { p50 p90 p99 } lastError }";

const fn query(
    does: &'static str,
    path: &'static str,
    object: &'static str,
    arguments: &'static [&'static str],
    selection: &'static str,
) -> Operation {
    Operation { does, kind: "query", path, object, document: "", arguments, selection }
}

const fn mutation(
    does: &'static str,
    path: &'static str,
    document: &'static str,
    arguments: &'static [&'static str],
    selection: &'static str,
) -> Operation {
    let object = if matches!(does.as_bytes(), b"update_topic" | b"delete_topic") { "name" } else { "id" };
    Operation { does, kind: "mutation", path, object, document, arguments, selection }
}

/// Every operation of the table.
pub const OPERATIONS: [Operation; 50] = [
    mutation("create_topic", "createTopic", "input", &["input: TopicInput!"], TOPIC),
    query("get_topic", "topic", "name", &["name: String!, tenant: String"], TOPIC),
    query("list_topics", "topics", "", &["tenant: String, limit: Int, cursor: String"], TOPICS),
    mutation(
        "update_topic",
        "updateTopic",
        "change",
        &["name: String!, tenant: String, change: TopicChange!, ifRevision: Int"],
        TOPIC,
    ),
    mutation(
        "delete_topic",
        "deleteTopic",
        "",
        &["name: String!, tenant: String, force: Boolean!, ifRevision: Int"],
        "",
    ),
    mutation(
        "create_endpoint",
        "createEndpoint",
        "input",
        &["input: EndpointInput!"],
        concat!("{ endpoint { ", endpoint!(), " } secret }"),
    ),
    query("get_endpoint", "endpoint", "id", &["id: ID!, tenant: String"], one!(endpoint!())),
    query(
        "list_endpoints",
        "endpoints",
        "",
        &["tenant: String, topic: String, state: EndpointState, adhoc: Boolean!, limit: Int, cursor: String"],
        page!(endpoint!()),
    ),
    mutation(
        "update_endpoint",
        "updateEndpoint",
        "change",
        &["id: ID!, tenant: String, change: EndpointSettings!, ifRevision: Int"],
        one!(endpoint!()),
    ),
    mutation("delete_endpoint", "deleteEndpoint", "", &["id: ID!, tenant: String, ifRevision: Int"], ""),
    mutation("pause_endpoint", "pauseEndpoint", "", &["id: ID!, tenant: String"], one!(endpoint!())),
    mutation("resume_endpoint", "resumeEndpoint", "", &["id: ID!, tenant: String"], one!(endpoint!())),
    mutation("test_endpoint", "testEndpoint", "", &["id: ID!, tenant: String"], one!(attempt!())),
    query("get_endpoint_secret", "endpointSecrets", "id", &["id: ID!, tenant: String"], SECRETS),
    mutation(
        "rotate_endpoint_secret",
        "rotateSecret",
        "input",
        &["id: ID!, tenant: String, input: RotationInput"],
        SECRETS,
    ),
    mutation("challenge_endpoint", "challengeEndpoint", "", &["id: ID!, tenant: String"], one!(endpoint!())),
    mutation("verify_endpoint", "verifyEndpoint", "", &["id: ID!, token: String!"], "{ id url state }"),
    query(
        "get_endpoint_stats",
        "endpoint.stats",
        "id",
        &["id: ID!, tenant: String", "windowSeconds: Float"],
        ENDPOINT_STATS,
    ),
    mutation(
        "subscribe",
        "subscribe",
        "input",
        &["input: SubscribeInput!"],
        concat!("{ endpoint { ", endpoint!(), " } created }"),
    ),
    mutation("unsubscribe", "unsubscribe", "input", &["input: UnsubscribeInput!"], ""),
    mutation("publish", "publish", "input", &["input: MessageInput!"], RECEIPT),
    mutation("publish_batch", "publishBatch", "messages", &["messages: [MessageInput!]!"], ITEMS),
    mutation("publish_event", "publishEvent", "event", &["event: JSON!, tenant: String"], RECEIPT),
    mutation("publish_events", "publishEvents", "events", &["events: [JSON!]!, tenant: String"], ITEMS),
    query(
        "get_message",
        "message",
        "id",
        &["id: ID!, tenant: String"],
        concat!("{ ", message!(), " payload { json text base64 } }"),
    ),
    query(
        "list_messages",
        "messages",
        "",
        &["topic: String, tenant: String, uid: String, orderingKey: String, metadata: JSON, rejected: Boolean, \
            since: DateTime, until: DateTime, limit: Int, cursor: String"],
        page!(message!()),
    ),
    mutation("cancel_message", "cancelMessage", "", &["id: ID!, tenant: String"], ""),
    query(
        "explain_message",
        "message.explanation",
        "id",
        &["id: ID!, tenant: String", ""],
        "{ endpointId url matched why delivery { id status } next }",
    ),
    query("get_delivery", "delivery", "id", &["id: ID!"], one!(delivery!())),
    query(
        "list_deliveries",
        "deliveries",
        "",
        &["status: DeliveryStatus, endpointId: ID, messageId: ID, topic: String, tenant: String, since: DateTime, \
            until: DateTime, limit: Int, cursor: String"],
        page!(delivery!()),
    ),
    mutation("retry_delivery", "retryDelivery", "", &["id: ID!"], one!(delivery!())),
    mutation("cancel_delivery", "cancelDelivery", "", &["id: ID!"], one!(delivery!())),
    query("list_attempts", "delivery.attempts", "id", &["id: ID!", "limit: Int, cursor: String"], page!(attempt!())),
    query("get_attempt", "attempt", "id", &["id: ID!"], one!(attempt!())),
    mutation(
        "start_replay",
        "replayEndpoint",
        "input",
        &["id: ID!, tenant: String, input: ReplayInput"],
        one!(replay!()),
    ),
    query("get_replay", "replay", "id", &["id: ID!"], one!(replay!())),
    query(
        "list_replays",
        "replays",
        "",
        &["tenant: String, endpointId: ID, state: JobState, limit: Int, cursor: String"],
        page!(replay!()),
    ),
    mutation("cancel_replay", "cancelReplay", "", &["id: ID!"], one!(replay!())),
    mutation("create_schedule", "createSchedule", "input", &["input: ScheduleInput!"], one!(schedule!())),
    query("get_schedule", "schedule", "id", &["id: ID!, tenant: String"], one!(schedule!())),
    query("list_schedules", "schedules", "", &["tenant: String, limit: Int, cursor: String"], page!(schedule!())),
    mutation(
        "update_schedule",
        "updateSchedule",
        "change",
        &["id: ID!, tenant: String, change: ScheduleSettings!, ifRevision: Int"],
        one!(schedule!()),
    ),
    mutation("delete_schedule", "deleteSchedule", "", &["id: ID!, tenant: String, ifRevision: Int"], ""),
    mutation("fire_schedule", "fireSchedule", "", &["id: ID!, tenant: String"], RECEIPT),
    mutation("create_key", "createKey", "input", &["input: KeyInput!"], concat!("{ key { ", key!(), " } text }")),
    query("list_keys", "keys", "", &["tenant: String, limit: Int, cursor: String"], page!(key!())),
    mutation("delete_key", "deleteKey", "", &["id: ID!"], ""),
    mutation("erase", "erase", "input", &["input: ErasureInput!"], ERASURE),
    query("get_stats", "stats", "", &["tenant: String"], STATS),
    query("list_tenants", "tenants", "", &["after: String, limit: Int"], ""),
];
