//! Schedules.

use serde_json::json;

use super::topic;
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "a schedule is made, read, fired, changed and removed",
            [
                topic("a"),
                does("create_schedule")
                    .body(json!({
                        "name": "Report", "uid": "r", "cron": "0 8 1 1 *", "timezone": "Europe/Berlin", "topic": "a",
                        "payload_text": "now", "content_type": "text/x", "headers": {"x-a": "1"}, "metadata": {"k": "v"}, "missed": "skip",
                    }))
                    .answers(json!({"cron": "0 8 1 1 *", "timezone": "Europe/Berlin", "missed": "skip", "enabled": true, "revision": 1}))
                    .keep("schedule"),
                does("get_schedule").id("uid:r").answers(json!({"id": "$schedule.id", "payload_text": "now"})),
                does("list_schedules").answers(json!({"data": [{"uid": "r"}]})),
                does("fire_schedule").id("uid:r").answers(json!({"topic": "a", "deliveries": 0})).keep("message"),
                does("get_message").id("$message.id").answers(json!({"payload_text": "now", "origin": {"kind": "schedule"}})),
                does("update_schedule")
                    .id("uid:r")
                    .body(json!({"enabled": false, "name": null, "headers": {"x-a": null, "x-b": "2"}}))
                    .if_revision(1)
                    .answers(json!({"enabled": false, "name": null, "next_fire_at": null, "headers": {"x-b": "2"}, "revision": 2})),
                does("update_schedule").id("uid:r").body(json!({"name": "x"})).if_revision(1).refused("precondition_failed", 412, &[]),
                does("delete_schedule").id("uid:r").if_revision(1).refused("precondition_failed", 412, &[]),
                does("delete_schedule").id("uid:r"),
                does("get_schedule").id("$schedule.id").refused("not_found", 404, &[]),
                does("fire_schedule").id("$schedule.id").refused("not_found", 404, &[]),
            ],
        ),
        row(
            "what is wrong with a schedule is named",
            [
                topic("a"),
                does("create_schedule").body(json!({"cron": "x", "topic": "a", "payload_text": "1"})).names(&["/cron"]),
                does("create_schedule").body(json!({"cron": "61 * * * *", "topic": "a", "payload_text": "1"})).names(&["/cron"]),
                does("create_schedule")
                    .body(json!({"cron": "@daily", "timezone": "Mars/Base", "topic": "a", "payload_text": "1"}))
                    .names(&["/timezone"]),
                does("create_schedule").body(json!({"cron": "@daily", "topic": "b", "payload_text": "1"})).names(&["/topic"]),
                does("create_schedule").body(json!({"cron": "@daily", "topic": "a"})).names(&["/payload"]),
                does("create_schedule").body(json!({"cron": "@daily", "payload_text": "1"})).names(&["/topic"]),
                does("create_schedule")
                    .body(json!({"cron": "@daily", "endpoint_id": "ep_nonsense", "payload_text": "1"}))
                    .names(&["/endpoint_id"]),
                does("create_schedule")
                    .body(json!({"cron": "@daily", "topic": "a", "payload_text": "1", "missed": "always"}))
                    .names(&["/missed"])
                    .untyped_in_graphql("an enum of the schema has no such value"),
                does("create_schedule").body(json!({"cron": "@daily", "topic": "a", "payload_text": "1", "content_type": "text/x", "uid": "x"})),
                does("create_schedule")
                    .body(json!({"cron": "@daily", "topic": "a", "payload_text": "1", "uid": "x"}))
                    .refused("uid_taken", 409, &[]),
                does("create_schedule")
                    .by(Who::Reader)
                    .body(json!({"cron": "@daily", "topic": "a", "payload_text": "1"}))
                    .refused("forbidden", 403, &[]),
                does("get_schedule").id("uid:x").by(Who::Stranger).refused("not_found", 404, &[]),
                does("fire_schedule").id("uid:x").by(Who::Reader).refused("forbidden", 403, &[]),
            ],
        ),
    ]
}
