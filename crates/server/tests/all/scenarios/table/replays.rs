//! Replays.

use serde_json::json;

use super::{failing, topic};
use crate::scenarios::row::Transport::Grpc;
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "an endpoint's dead letters are sent again",
            [
                topic("a"),
                failing(),
                does("publish").body(json!({"topic": "a", "payload": 1})),
                does("list_deliveries").with(json!({"status": "failed"})).comes_to(json!({"data": [{}]})),
                does("start_replay")
                    .id("$endpoint.id")
                    .body(json!({"status": "failed", "dry_run": true, "until": "2090-01-01T00:00:00Z"}))
                    .answers(json!({"endpoint_id": "$endpoint.id", "filter": {"status": "failed", "dry_run": true}}))
                    .keep("replay"),
                does("get_replay").id("$replay.id").comes_to(json!({"state": "done", "matched": 1, "sent": 0})),
                does("list_replays").with(json!({"state": "done"})).answers(json!({"data": [{"id": "$replay.id"}]})),
                does("list_replays")
                    .with(json!({"endpoint_id": "$endpoint.id"}))
                    .answers(json!({"data": [{"id": "$replay.id"}]})),
                does("cancel_replay").id("$replay.id").answers(json!({"state": "done"})),
                does("get_replay").id("$replay.id").by(Who::Stranger).refused("not_found", 404, &[]),
                does("cancel_replay").id("$replay.id").by(Who::Reader).refused("forbidden", 403, &[]),
            ],
        ),
        row(
            "a replay of what is not there, or of what nobody understands, is refused",
            [
                does("create_endpoint").body(json!({"url": "$hook", "topics": []})).keep("endpoint"),
                does("start_replay").id("ep_nonsense").body(json!({})).refused("not_found", 404, &[]),
                does("start_replay").id("uid:nobody").body(json!({})).refused("not_found", 404, &[]),
                does("start_replay").id("$endpoint.id").by(Who::Stranger).body(json!({})).refused(
                    "not_found",
                    404,
                    &[],
                ),
                does("start_replay").id("$endpoint.id").by(Who::Reader).body(json!({})).refused("forbidden", 403, &[]),
                does("start_replay")
                    .id("$endpoint.id")
                    .body(json!({"status": "lost"}))
                    .names(&["/status"])
                    .untyped_in_graphql("an enum of the schema has no such value"),
                does("start_replay")
                    .id("$endpoint.id")
                    .body(json!({"since": "2090-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}))
                    .names(&["/since"]),
                does("start_replay")
                    .id("$endpoint.id")
                    .body(json!({"since": "yesterday"}))
                    .names(&["/since"])
                    .untyped_in_graphql("a text that is no instant is no DateTime")
                    .cannot(Grpc, "a Timestamp is two numbers"),
                does("get_replay").id("nonsense").refused("not_found", 404, &[]),
            ],
        ),
    ]
}
