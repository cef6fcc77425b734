//! The bounds of docs/api.md, and changes that break a rule.

use serde_json::{Map, Value, json};

use super::topic;
use crate::scenarios::row::Transport::Grpc;
use crate::scenarios::row::{Row, does, row};

pub fn rows() -> Vec<Row> {
    vec![messages(), changes()]
}

/// So many names with a value each.
fn many(prefix: &str, count: usize) -> Value {
    (0..count).map(|n| (format!("{prefix}{n}"), json!("v"))).collect::<Map<_, _>>().into()
}

fn messages() -> Row {
    let publish = |members: Value| {
        let mut body = json!({"topic": "a", "payload": 1});
        body.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
        does("publish").body(body)
    };
    let batch: Vec<Value> = (0..501).map(|_| json!({"topic": "a", "payload": 1})).collect();
    let events: Vec<Value> =
        (0..501).map(|n| json!({"specversion": "1.0", "id": n.to_string(), "source": "/s", "type": "a"})).collect();
    row(
        "what is one too many is refused",
        [
            topic("a"),
            publish(json!({"headers": many("x-", 32)})),
            publish(json!({"headers": many("x-", 33)})).names(&["/headers"]),
            publish(json!({"metadata": many("k", 32)})),
            publish(json!({"metadata": many("k", 33)})).names(&["/metadata"]),
            publish(json!({"uid": "u".repeat(256)})).names(&["/uid"]),
            publish(json!({"idempotency_key": "k".repeat(256)})).names(&["/idempotency_key"]),
            publish(json!({"ordering_key": "o".repeat(256)})).names(&["/ordering_key"]),
            publish(json!({"delay_seconds": 400.0 * 86_400.0})).names(&["/delay_seconds"]),
            publish(json!({"expires_at": "2020-01-01T00:00:00Z"})).names(&["/expires_at"]),
            does("publish_batch").body(json!({"messages": batch})).names(&["/messages"]),
            does("publish_events").body(json!(events)).names(&[""]),
        ],
    )
}

fn changes() -> Row {
    row(
        "a change that breaks a rule names the member, and changes nothing",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"], "uid": "x"})),
            does("update_endpoint").id("uid:x").body(json!({"url": "http://10.0.0.1/"})).names(&["/url"]),
            does("update_endpoint").id("uid:x").body(json!({"url": null})).names(&["/url"]),
            does("update_endpoint").id("uid:x").body(json!({"topics": ["unknown"]})).names(&["/topics/0"]),
            does("update_endpoint")
                .id("uid:x")
                .body(json!({"timeout_seconds": -1, "name": "x"}))
                .names(&["/timeout_seconds"]),
            does("update_endpoint")
                .id("uid:x")
                .body(json!({"uid": "y"}))
                .names(&["/uid"])
                .untyped_in_graphql("a uid is none of the settings that change")
                .cannot(Grpc, "a uid is none of the settings that change"),
            does("get_endpoint").id("uid:x").answers(json!({"revision": 1, "name": null})),
            does("update_topic").id("a").body(json!({"schema": 7})).names(&["/schema"]),
            does("create_schedule").body(json!({
                "cron": "@daily", "topic": "a", "payload_text": "1", "content_type": "text/x", "uid": "x",
            })),
            does("update_schedule").id("uid:x").body(json!({"cron": "x"})).names(&["/cron"]),
            does("update_schedule").id("uid:x").body(json!({"timezone": "Mars/Base"})).names(&["/timezone"]),
            does("update_schedule").id("uid:x").body(json!({"topic": null})).names(&["/topic"]),
            does("get_schedule").id("uid:x").answers(json!({"revision": 1, "timezone": "UTC"})),
        ],
    )
}
