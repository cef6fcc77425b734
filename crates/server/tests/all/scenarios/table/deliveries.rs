//! Deliveries and their attempts.

use serde_json::json;

use super::{failing, topic};
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "a delivery that failed for good shows its attempts and is retried",
            [
                topic("a"),
                failing(),
                does("publish").body(json!({"topic": "a", "payload": {"n": 1}})).keep("message"),
                does("list_deliveries")
                    .with(json!({"status": "failed"}))
                    .comes_to(
                        json!({"data": [{"reason": "attempts_exhausted", "attempts": 1, "last_status_code": 500}]}),
                    )
                    .keep("list"),
                does("get_delivery")
                    .id("$list.data.0.id")
                    .answers(json!({"status": "failed", "message_id": "$message.id"})),
                does("list_attempts")
                    .id("$list.data.0.id")
                    .answers(json!({"data": [{"number": 1, "outcome": "rejected", "status_code": 500}]}))
                    .keep("attempts"),
                does("get_attempt").id("$attempts.data.0.id").answers(
                    json!({"request": {"method": "POST", "body": "{\"n\":1}"}, "response": {"status_code": 500}}),
                ),
                does("list_attempts").id("$list.data.0.id").with(json!({"limit": 0})).names(&["/limit"]),
                does("retry_delivery").id("$list.data.0.id").by(Who::Reader).refused("forbidden", 403, &[]),
                does("retry_delivery").id("$list.data.0.id").by(Who::Stranger).refused("not_found", 404, &[]),
                does("retry_delivery").id("$list.data.0.id"),
                does("get_delivery").id("$list.data.0.id").comes_to(json!({"status": "failed", "attempts": 2})),
                does("cancel_delivery").id("$list.data.0.id").refused("wrong_state", 409, &[]),
            ],
        ),
        row(
            "a delivery that waits is cancelled, and stays so",
            [
                topic("a"),
                does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})).keep("endpoint"),
                does("pause_endpoint").id("$endpoint.id"),
                does("publish").body(json!({"topic": "a", "payload": 1})).keep("message"),
                does("list_deliveries")
                    .with(json!({"endpoint_id": "$endpoint.id", "status": "pending"}))
                    .answers(json!({"data": [{"waiting_for": "endpoint_paused", "attempts": 0}]}))
                    .keep("list"),
                does("cancel_delivery").id("$list.data.0.id").by(Who::Publisher).refused("forbidden", 403, &[]),
                does("cancel_delivery")
                    .id("$list.data.0.id")
                    .answers(json!({"status": "cancelled", "reason": "by_request"})),
                does("retry_delivery").id("$list.data.0.id").refused("wrong_state", 409, &[]),
                does("get_delivery").id("$list.data.0.id").by(Who::Stranger).refused("not_found", 404, &[]),
                does("list_attempts").id("$list.data.0.id").answers(json!({"data": []})),
                does("list_attempts").id("$list.data.0.id").by(Who::Stranger).refused("not_found", 404, &[]),
            ],
        ),
        row(
            "what waits for a deleted endpoint ends as cancelled",
            [
                topic("a"),
                does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})).keep("endpoint"),
                does("pause_endpoint").id("$endpoint.id"),
                does("publish").body(json!({"topic": "a", "payload": 1})),
                does("delete_endpoint").id("$endpoint.id"),
                does("list_deliveries")
                    .comes_to(json!({"data": [{"status": "cancelled", "reason": "endpoint_deleted"}]})),
            ],
        ),
        row(
            "a list of deliveries says what is wrong with its filters",
            [
                does("list_deliveries").answers(json!({"data": []})),
                does("list_deliveries").with(json!({"endpoint_id": "ep_nonsense"})).names(&["/endpoint_id"]),
                does("list_deliveries").with(json!({"message_id": "nonsense"})).names(&["/message_id"]),
                does("list_deliveries").with(json!({"topic": "no name"})).names(&["/topic"]),
                does("list_deliveries").with(json!({"tenant": ""})).names(&["/tenant"]),
                does("list_deliveries")
                    .with(json!({"status": "lost"}))
                    .names(&["/status"])
                    .untyped_in_graphql("an enum of the schema has no such value"),
                does("get_delivery").id("dlv_nonsense").refused("not_found", 404, &[]),
                does("get_attempt").id("att_nonsense").refused("not_found", 404, &[]),
                does("list_attempts").id("dlv_nonsense").refused("not_found", 404, &[]),
                does("list_deliveries").by(Who::Publisher).refused("forbidden", 403, &[]),
            ],
        ),
    ]
}
