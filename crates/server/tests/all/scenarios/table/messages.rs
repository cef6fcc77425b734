//! Messages: published one by one, in batches and as CloudEvents; read, listed, cancelled, explained.

use serde_json::json;

use super::topic;
use crate::scenarios::row::Transport::Grpc;
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        life(),
        payloads(),
        wrong(),
        too_large(),
        idempotency(),
        batch(),
        event(),
        events(),
        lists(),
        schema(),
        cancelled(),
        others(),
    ]
}

fn life() -> Row {
    row(
        "a message is accepted, delivered, and read back with all that it was given",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})).keep("endpoint"),
            does("publish")
                .body(json!({
                    "topic": "a", "uid": "m1", "payload": {"id": 1, "tags": ["x", null, 1.5]}, "headers": {"x-a": "1"},
                    "metadata": {"k": "v"}, "ordering_key": "o", "expires_at": "2090-01-01T00:00:00Z",
                }))
                .answers(json!({"tenant": "$tenant", "topic": "a", "deliveries": 1, "duplicate": false}))
                .keep("message"),
            does("get_message").id("$message.id").answers(json!({
                "uid": "m1", "payload": {"id": 1, "tags": ["x", null, 1.5]}, "content_type": "application/json",
                "origin": {"kind": "api"}, "deliveries": 1, "metadata": {"k": "v"}, "expires_at": "2090-01-01T00:00:00Z",
            })),
            does("get_message").id("uid:m1").answers(json!({"id": "$message.id"})),
            does("list_deliveries")
                .with(json!({"message_id": "$message.id"}))
                .comes_to(json!({"data": [{"status": "succeeded", "endpoint_id": "$endpoint.id", "attempts": 1, "last_status_code": 200}]})),
            does("explain_message").id("$message.id").answers(json!({"endpoints": [{"matched": true, "status": "succeeded"}]})),
            does("publish").body(json!({"topic": "a", "uid": "m1", "payload": 1})).refused("uid_taken", 409, &[]),
        ],
    )
}

fn payloads() -> Row {
    row(
        "a payload is JSON, a text or bytes",
        [
            topic("a"),
            does("publish").body(json!({"topic": "a", "payload_text": "naïve"})).keep("text"),
            does("get_message")
                .id("$text.id")
                .answers(json!({"payload_text": "naïve", "content_type": "text/plain; charset=utf-8"})),
            does("publish").body(json!({"topic": "a", "payload_base64": "/wD+"})).keep("bytes"),
            does("get_message")
                .id("$bytes.id")
                .answers(json!({"payload_base64": "/wD+", "content_type": "application/octet-stream"})),
            does("publish")
                .body(json!({"topic": "a", "payload_text": "<a/>", "content_type": "application/xml"}))
                .keep("xml"),
            does("get_message")
                .id("$xml.id")
                .answers(json!({"payload_text": "<a/>", "content_type": "application/xml"})),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "payload_text": "1"}))
                .names(&["/payload"])
                .cannot(Grpc, "there is one payload, of bytes"),
            does("publish")
                .body(json!({"topic": "a", "payload_base64": "*"}))
                .names(&["/payload_base64"])
                .cannot(Grpc, "there is one payload, of bytes"),
            does("publish").body(json!({"topic": "a"})).names(&["/payload"]),
        ],
    )
}

fn wrong() -> Row {
    row(
        "what is wrong with a message is named",
        [
            topic("a"),
            does("publish").body(json!({"topic": "unknown", "payload": 1})).names(&["/topic"]),
            does("publish").body(json!({"payload": 1})).names(&["/topic"]),
            does("publish").body(json!({"endpoint_ids": ["ep_nonsense"], "payload": 1})).names(&["/endpoint_ids/0"]),
            does("publish").body(json!({"endpoint_ids": ["uid:nobody"], "payload": 1})).names(&["/endpoint_ids/0"]),
            does("publish").body(json!({"urls": ["ftp://x/"], "payload": 1})).names(&["/urls/0"]),
            does("publish").body(json!({"topic": "a", "payload": 1, "delay_seconds": -1})).names(&["/delay_seconds"]),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "delay_seconds": 1, "deliver_at": "2027-01-01T00:00:00Z"}))
                .names(&["/delay_seconds"]),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "deliver_at": "2090-01-01T00:00:00Z"}))
                .names(&["/deliver_at"]),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "headers": {"webhook-id": "x", "connection": "close"}}))
                .names(&["/headers/connection", "/headers/webhook-id"]),
            does("publish").body(json!({"topic": "a", "payload": 1, "uid": "\u{7}"})).names(&["/uid"]),
            does("publish").body(json!({"topic": "a", "payload": 1, "tenant": "another"})).refused(
                "forbidden",
                403,
                &[],
            ),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "colour": "red"}))
                .names(&["/colour"])
                .untyped_in_graphql("a member that the schema does not have is refused by the library")
                .cannot(Grpc, "a message has no other members than its own"),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "deliver_at": "soon"}))
                .names(&["/deliver_at"])
                .untyped_in_graphql("a text that is no instant is no DateTime")
                .cannot(Grpc, "a Timestamp is two numbers"),
        ],
    )
}

fn too_large() -> Row {
    let large = "x".repeat(30_000);
    row(
        "a payload beyond the server's limit is too large",
        [topic("a"), does("publish").body(json!({"topic": "a", "payload_text": large})).refused("too_large", 413, &[])],
    )
}

fn idempotency() -> Row {
    row(
        "the same key with the same message is the same publish, with another it is refused",
        [
            topic("a"),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "idempotency_key": "k"}))
                .answers(json!({"duplicate": false}))
                .keep("first"),
            does("publish")
                .body(json!({"topic": "a", "payload": 1, "idempotency_key": "k"}))
                .answers(json!({"duplicate": true, "id": "$first.id"})),
            does("publish")
                .body(json!({"topic": "a", "payload": 2, "idempotency_key": "k"}))
                .names(&["/idempotency_key"]),
            does("publish")
                .body(json!({"topic": "a", "payload": 2, "idempotency_key": ""}))
                .names(&["/idempotency_key"]),
        ],
    )
}

fn batch() -> Row {
    row(
        "a batch accepts or refuses each message for itself",
        [
            topic("a"),
            does("publish_batch")
                .body(json!({"messages": [
                    {"topic": "a", "payload": 1}, {"topic": "unknown", "payload": 2}, {"topic": "a", "payload_text": "3"},
                ]}))
                .answers(json!({"results": [{"topic": "a"}, {"error": {"code": "invalid"}}, {"topic": "a"}]})),
            does("publish_batch").body(json!({"messages": []})).names(&["/messages"]),
            does("publish_batch")
                .by(Who::Reader)
                .body(json!({"messages": [{"topic": "a", "payload": 1}]}))
                .refused("forbidden", 403, &[]),
        ],
    )
}

fn event() -> Row {
    row(
        "a CloudEvent is a message, and the same event twice is one",
        [
            topic("a"),
            does("publish_event")
                .body(json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "data": {"n": 1}}))
                .answers(json!({"topic": "a", "tenant": "$tenant", "duplicate": false}))
                .keep("message"),
            does("publish_event")
                .body(json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "data": {"n": 1}}))
                .answers(json!({"id": "$message.id", "duplicate": true})),
            does("get_message").id("$message.id").answers(json!({"payload": {"n": 1}, "origin": {"kind": "event"}})),
            does("publish_event").body(json!({"id": "1", "source": "/s", "type": "a"})).names(&["/specversion"]),
            does("publish_event")
                .body(json!({"specversion": "1.0", "id": "2", "source": "/s", "type": "unknown"}))
                .names(&["/type"]),
            does("publish_event")
                .body(json!({"specversion": "1.0", "id": "3", "source": "/s", "type": "a", "tenant": "x"}))
                .with(json!({"tenant": "$tenant"}))
                .names(&["/tenant"]),
            does("publish_event")
                .by(Who::Reader)
                .body(json!({"specversion": "1.0", "id": "4", "source": "/s", "type": "a"}))
                .refused("forbidden", 403, &[]),
        ],
    )
}

fn events() -> Row {
    row(
        "a list of CloudEvents accepts or refuses each for itself",
        [
            topic("a"),
            does("publish_events")
                .body(json!([
                    {"specversion": "1.0", "id": "1", "source": "/s", "type": "a"},
                    {"specversion": "1.0", "id": "2", "source": "/s", "type": "unknown"},
                    7,
                ]))
                .answers(json!({"results": [{"topic": "a"}, {"error": {"code": "invalid"}}, {"error": {"code": "invalid"}}]})),
            does("publish_events").body(json!([])).names(&[""]),
        ],
    )
}

fn lists() -> Row {
    row(
        "messages are listed by topic, uid, label, notes and time",
        [
            topic("a"),
            topic("b"),
            does("publish").body(json!({"topic": "a", "uid": "1", "payload": 1, "metadata": {"k": "v"}})),
            does("publish").body(json!({"topic": "b", "uid": "2", "payload": 2, "ordering_key": "o"})),
            does("list_messages").answers(json!({"data": [{"uid": "2"}, {"uid": "1"}]})),
            does("list_messages").with(json!({"topic": "a"})).answers(json!({"data": [{"uid": "1"}]})),
            does("list_messages").with(json!({"uid": "2"})).answers(json!({"data": [{"uid": "2"}]})),
            does("list_messages").with(json!({"ordering_key": "o"})).answers(json!({"data": [{"uid": "2"}]})),
            does("list_messages").with(json!({"metadata": {"k": "v"}})).answers(json!({"data": [{"uid": "1"}]})),
            does("list_messages").with(json!({"metadata": {"k": "w"}})).answers(json!({"data": []})),
            does("list_messages").with(json!({"rejected": true})).answers(json!({"data": []})),
            does("list_messages").with(json!({"since": "2090-01-01T00:00:00Z"})).answers(json!({"data": []})),
            does("list_messages")
                .with(json!({"until": "2090-01-01T00:00:00Z", "limit": 1}))
                .answers(json!({"data": [{"uid": "2"}]})),
            does("list_messages").with(json!({"topic": "no name"})).names(&["/topic"]),
            does("list_messages").with(json!({"limit": 300})).names(&["/limit"]),
            does("list_messages").with(json!({"tenant": "another"})).refused("forbidden", 403, &[]),
            does("list_messages")
                .with(json!({"since": "yesterday"}))
                .names(&["/since"])
                .untyped_in_graphql("a text that is no instant is no DateTime")
                .cannot(Grpc, "a Timestamp is two numbers"),
        ],
    )
}

fn schema() -> Row {
    row(
        "a payload that breaks its topic's schema is refused where it breaks it",
        [
            does("create_topic").body(json!({
                "name": "a", "tenant": "$tenant",
                "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            })),
            does("publish").body(json!({"topic": "a", "payload": {"n": 1}})),
            does("publish").body(json!({"topic": "a", "payload": {"n": "one"}})).names(&["/payload/n"]),
            does("publish").body(json!({"topic": "a", "payload_base64": "/wA="})).names(&["/payload"]),
        ],
    )
}

fn cancelled() -> Row {
    row(
        "what is not sent yet can be called back",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})).keep("endpoint"),
            does("publish").body(json!({"topic": "a", "payload": 1, "delay_seconds": 3600})).keep("message"),
            does("list_deliveries")
                .with(json!({"message_id": "$message.id"}))
                .answers(json!({"data": [{"status": "pending", "waiting_for": "schedule"}]})),
            does("cancel_message").id("$message.id").by(Who::Reader).refused("forbidden", 403, &[]),
            does("cancel_message").id("$message.id"),
            does("list_deliveries")
                .with(json!({"status": "cancelled"}))
                .answers(json!({"data": [{"message_id": "$message.id", "reason": "by_request"}]}))
                .keep("list"),
            does("retry_delivery").id("$list.data.0.id").refused("wrong_state", 409, &[]),
            does("cancel_message").id("msg_nonsense").refused("not_found", 404, &[]),
        ],
    )
}

fn others() -> Row {
    row(
        "another tenant's message is not there, and publishing needs its scope",
        [
            topic("a"),
            does("publish").by(Who::Publisher).body(json!({"topic": "a", "payload": 1, "uid": "x"})).keep("message"),
            does("get_message").id("$message.id").by(Who::Publisher).refused("forbidden", 403, &[]),
            does("get_message").id("$message.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("explain_message").id("$message.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("cancel_message").id("uid:x").by(Who::Stranger).refused("not_found", 404, &[]),
            does("get_message")
                .id("uid:x")
                .by(Who::Root)
                .with(json!({"tenant": "$tenant"}))
                .answers(json!({"id": "$message.id"})),
            does("get_message").id("uid:x").by(Who::Root).refused("not_found", 404, &[]),
            does("publish").by(Who::Reader).body(json!({"topic": "a", "payload": 1})).refused("forbidden", 403, &[]),
            does("publish").by(Who::Unknown).body(json!({"topic": "a", "payload": 1})).refused(
                "unauthenticated",
                401,
                &[],
            ),
            does("publish").by(Who::Nobody).body(json!({"topic": "a", "payload": 1})).refused(
                "unauthenticated",
                401,
                &[],
            ),
            does("get_message").id("uid:x").with(json!({"tenant": "another"})).refused("forbidden", 403, &[]),
        ],
    )
}
