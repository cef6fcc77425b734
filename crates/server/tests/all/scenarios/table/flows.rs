//! What becomes of messages: addressed, filtered, failing, gone, sent again, erased.

use serde_json::json;

use super::{failing, topic};
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        common_topics(),
        addressed(),
        filtered(),
        dead_letter(),
        gone(),
        erased_endpoint(),
        erased_tenant(),
        keys_of_root(),
    ]
}

fn common_topics() -> Row {
    row(
        "a common topic is seen by every tenant, and its own of that name wins",
        [
            does("create_topic")
                .by(Who::Root)
                .body(json!({"name": "of-$tenant", "title": "Common"}))
                .answers(json!({"tenant": null})),
            does("get_topic").id("of-$tenant").answers(json!({"title": "Common", "tenant": null})),
            does("publish").body(json!({"topic": "of-$tenant", "payload": 1})).answers(json!({"deliveries": 0})),
            does("update_topic").id("of-$tenant").body(json!({"title": "Mine"})).refused("forbidden", 403, &[]),
            does("create_topic").body(json!({"name": "of-$tenant", "tenant": "$tenant", "title": "Own"})),
            does("get_topic").id("of-$tenant").answers(json!({"title": "Own", "tenant": "$tenant"})),
            does("get_topic").id("of-$tenant").by(Who::Stranger).answers(json!({"title": "Common", "tenant": null})),
            does("delete_topic").id("of-$tenant").by(Who::Root),
        ],
    )
}

fn addressed() -> Row {
    row(
        "a message may be for named endpoints or for URLs",
        [
            does("create_endpoint").body(json!({"url": "$hook/1", "topics": [], "uid": "one"})).keep("one"),
            does("create_endpoint").body(json!({"url": "$hook/2", "topics": []})).keep("two"),
            does("publish")
                .body(json!({"endpoint_ids": ["uid:one", "$two.id"], "payload": 1}))
                .answers(json!({"deliveries": 2, "topic": null})),
            does("publish")
                .body(json!({"urls": ["$hook/3", "$hook/4"], "payload": 1}))
                .answers(json!({"deliveries": 2})),
            does("publish")
                .body(json!({"urls": ["$hook/3"], "payload": 1}))
                .answers(json!({"deliveries": 1}))
                .keep("url"),
            does("list_deliveries")
                .with(json!({"message_id": "$url.id"}))
                .comes_to(json!({"data": [{"status": "succeeded", "url": "$hook/3"}]}))
                .keep("list"),
            does("get_endpoint").id("$list.data.0.endpoint_id").answers(json!({"adhoc": true, "topics": []})),
            does("publish")
                .body(json!({"endpoint_ids": ["uid:one"], "urls": ["$hook/3"], "payload": 1}))
                .names(&["/urls"]),
            does("list_deliveries")
                .with(json!({"endpoint_id": "$one.id", "limit": 1}))
                .comes_to(json!({"data": [{"status": "succeeded"}]})),
        ],
    )
}

fn filtered() -> Row {
    row(
        "a filter decides which messages an endpoint gets, and why not is told",
        [
            topic("a"),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "filter": {"payload.total": {"$gte": 100}, "metadata.kind": "x"}})),
            does("publish")
                .body(json!({"topic": "a", "payload": {"total": 100}, "metadata": {"kind": "x"}}))
                .answers(json!({"deliveries": 1})),
            does("publish").body(json!({"topic": "a", "payload": {"total": 99}, "metadata": {"kind": "x"}})).answers(json!({"deliveries": 0})).keep("small"),
            does("explain_message").id("$small.id").answers(json!({"endpoints": [{"matched": false, "delivery_id": null}]})),
            does("publish").body(json!({"topic": "a", "payload_text": "total", "metadata": {"kind": "x"}})).answers(json!({"deliveries": 0})),
        ],
    )
}

fn dead_letter() -> Row {
    row(
        "what failed for good goes to the endpoint for dead letters",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook/dead", "topics": []})).keep("dead"),
            does("create_endpoint").body(json!({
                "url": "$hook/fails", "topics": ["a"], "max_attempts": 1, "dead_letter_endpoint_id": "$dead.id",
            })),
            does("publish").body(json!({"topic": "a", "payload": {"n": 1}})).keep("message"),
            does("list_deliveries")
                .with(json!({"endpoint_id": "$dead.id"}))
                .comes_to(json!({"data": [{"status": "succeeded", "topic": "a"}]}))
                .keep("list"),
            does("get_message")
                .id("$list.data.0.message_id")
                .answers(json!({"origin": {"kind": "dead_letter"}, "payload": {"n": 1}})),
        ],
    )
}

fn gone() -> Row {
    row(
        "an endpoint that says it is gone is disabled, and a replay sends what it missed",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook/gone", "topics": ["a"]})).keep("endpoint"),
            does("publish").body(json!({"topic": "a", "payload": 1})),
            does("list_deliveries")
                .comes_to(json!({"data": [{"status": "failed", "reason": "endpoint_gone", "last_status_code": 410}]})),
            does("get_endpoint").id("$endpoint.id").comes_to(json!({"state": "disabled"})),
            does("publish")
                .body(json!({"topic": "a", "payload": 2, "uid": "missed"}))
                .answers(json!({"deliveries": 0}))
                .keep("missed"),
            does("explain_message").id("uid:missed").answers(json!({"endpoints": [{"matched": false}]})),
            does("update_endpoint")
                .id("$endpoint.id")
                .body(json!({"url": "$hook"}))
                .answers(json!({"state": "disabled"})),
            does("resume_endpoint").id("$endpoint.id").answers(json!({"state": "active"})),
            does("start_replay").id("$endpoint.id").body(json!({"status": "missed"})).keep("replay"),
            does("get_replay").id("$replay.id").comes_to(json!({"state": "done", "sent": 1})),
            does("list_deliveries")
                .with(json!({"status": "succeeded"}))
                .comes_to(json!({"data": [{"endpoint_id": "$endpoint.id"}]}))
                .keep("list"),
            does("get_message")
                .id("$list.data.0.message_id")
                .answers(json!({"origin": {"kind": "replay", "message_id": "$missed.id"}})),
        ],
    )
}

fn erased_endpoint() -> Row {
    row(
        "deliveries are erased by endpoint and one by one, the messages stay",
        [
            topic("a"),
            failing(),
            does("publish").body(json!({"topic": "a", "payload": 1})).keep("one"),
            does("publish").body(json!({"topic": "a", "payload": 2})).keep("two"),
            does("list_deliveries").with(json!({"status": "failed"})).comes_to(json!({"data": [{}, {}]})).keep("list"),
            does("erase").body(json!({"delivery_id": "$list.data.0.id"})),
            does("get_delivery").id("$list.data.0.id").refused("not_found", 404, &[]),
            does("list_deliveries").answers(json!({"data": [{"id": "$list.data.1.id"}]})),
            does("erase").body(json!({"endpoint_id": "$endpoint.id"})),
            does("list_deliveries").answers(json!({"data": []})),
            does("get_message").id("$one.id").answers(json!({"id": "$one.id"})),
            does("get_message").id("$two.id").answers(json!({"id": "$two.id"})),
        ],
    )
}

fn erased_tenant() -> Row {
    row(
        "a tenant's messages are erased by topic, before an instant, or all of them",
        [
            topic("a"),
            topic("b"),
            does("publish").body(json!({"topic": "a", "payload": 1, "uid": "a"})),
            does("publish").body(json!({"topic": "b", "payload": 1, "uid": "b"})),
            does("erase").body(json!({"topic": "a", "before": "2020-01-01T00:00:00Z"})),
            does("list_messages").answers(json!({"data": [{"uid": "b"}, {"uid": "a"}]})),
            does("erase")
                .by(Who::Root)
                .body(json!({"topic": "a", "tenant": "$tenant"}))
                .answers(json!({"tenant": "$tenant"})),
            does("list_messages").answers(json!({"data": [{"uid": "b"}]})),
            does("erase").body(json!({"tenant": "$tenant"})),
            does("list_messages").answers(json!({"data": []})),
            does("get_message").id("uid:b").refused("not_found", 404, &[]),
        ],
    )
}

fn keys_of_root() -> Row {
    row(
        "the administrator makes keys for a tenant, and their lists page like all others",
        [
            does("create_key").by(Who::Root).body(json!({"name": "1", "scopes": ["read"], "tenant": "$tenant"})),
            does("create_key")
                .by(Who::Root)
                .body(json!({"name": "2", "scopes": ["endpoints", "admin"], "tenant": "$tenant"})),
            does("list_keys")
                .by(Who::Root)
                .with(json!({"tenant": "$tenant", "limit": 1}))
                .answers(json!({"data": [{"name": "2", "scopes": ["admin", "endpoints"]}]}))
                .keep("page"),
            does("list_keys")
                .by(Who::Root)
                .with(json!({"tenant": "$tenant", "limit": 1, "cursor": "$page.next_cursor"}))
                .answers(json!({"data": [{"name": "1"}]})),
            does("list_keys")
                .by(Who::Root)
                .with(json!({"limit": 1, "cursor": "$page.next_cursor"}))
                .names(&["/cursor"]),
            does("list_schedules").by(Who::Root).with(json!({"cursor": "$page.next_cursor"})).names(&["/cursor"]),
            does("list_replays").by(Who::Root).with(json!({"cursor": "$page.next_cursor"})).names(&["/cursor"]),
            does("list_messages").by(Who::Root).with(json!({"cursor": "$page.next_cursor"})).names(&["/cursor"]),
            does("list_deliveries").by(Who::Root).with(json!({"cursor": "$page.next_cursor"})).names(&["/cursor"]),
        ],
    )
}
