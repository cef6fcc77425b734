//! Topics.

use serde_json::json;

use crate::scenarios::row::Transport::{Graphql, Grpc};
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "a topic is made, read, listed, changed and removed",
            [
                does("create_topic")
                    .body(json!({
                        "name": "order.created", "tenant": "$tenant", "title": "Order", "description": "An order came in",
                        "schema": {"type": "object", "required": ["id"]}, "example": {"id": 1, "tags": ["a", null]},
                    }))
                    .answers(json!({"tenant": "$tenant", "name": "order.created", "title": "Order", "revision": 1})),
                does("get_topic").id("order.created").answers(json!({"example": {"id": 1, "tags": ["a", null]}})),
                does("list_topics").with(json!({"tenant": "$tenant"})).answers(json!({"data": [{"name": "order.created"}]})),
                does("update_topic")
                    .id("order.created")
                    .body(json!({"title": null, "description": "Another", "schema": null}))
                    .if_revision(1)
                    .answers(json!({"title": null, "description": "Another", "schema": null, "revision": 2})),
                does("update_topic")
                    .id("order.created")
                    .body(json!({"title": "Late"}))
                    .if_revision(1)
                    .refused("precondition_failed", 412, &[]),
                does("delete_topic").id("order.created").if_revision(7).refused("precondition_failed", 412, &[]),
                does("delete_topic").id("order.created"),
                does("get_topic").id("order.created").refused("not_found", 404, &[]),
            ],
        ),
        row(
            "what is wrong with a topic is named",
            [
                does("create_topic").body(json!({"name": "a", "tenant": "$tenant"})),
                does("create_topic").body(json!({"name": "a", "tenant": "$tenant"})).refused("topic_exists", 409, &[]),
                does("create_topic").body(json!({"name": "not a name", "tenant": "$tenant"})).names(&["/name"]),
                does("create_topic").body(json!({"name": "..", "tenant": "$tenant"})).names(&["/name"]),
                does("create_topic")
                    .body(json!({"name": "b", "tenant": "$tenant", "schema": {"type": "nothing"}}))
                    .names(&["/schema/type"]),
                does("create_topic")
                    .body(json!({"name": "b", "tenant": "$tenant", "colour": "red"}))
                    .names(&["/colour"])
                    .untyped_in_graphql("a member that the schema does not have is refused by the library")
                    .cannot(Grpc, "a message has no other members than its own"),
                does("update_topic").id("nothing").body(json!({"title": "x"})).refused("not_found", 404, &[]),
                does("get_topic").id("not a name").refused("not_found", 404, &[]),
            ],
        ),
        row(
            "a topic that endpoints name is removed only by force",
            [
                does("create_topic").body(json!({"name": "a", "tenant": "$tenant"})),
                does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})),
                does("delete_topic").id("a").refused("topic_in_use", 409, &[]),
                does("delete_topic").id("a").with(json!({"force": true})),
            ],
        ),
        row(
            "only an administrator makes topics, and only those of the own tenant",
            [
                does("create_topic").by(Who::Reader).body(json!({"name": "a"})).refused("forbidden", 403, &[]),
                does("create_topic").by(Who::Stranger).body(json!({"name": "a", "tenant": "$tenant"})).refused("forbidden", 403, &[]),
                does("list_topics").by(Who::Publisher).refused("forbidden", 403, &[]),
                does("list_topics").by(Who::Unknown).refused("unauthenticated", 401, &[]),
                does("list_topics").by(Who::Nobody).refused("unauthenticated", 401, &[]),
                does("list_topics").by(Who::Reader).with(json!({"tenant": "another"})).refused("forbidden", 403, &[]),
            ],
        ),
        row(
            "a page goes on where the one before it ended, and its cursor fits no other list",
            [
                does("create_topic").body(json!({"name": "a", "tenant": "$tenant"})),
                does("create_topic").body(json!({"name": "b", "tenant": "$tenant"})),
                does("create_topic").body(json!({"name": "c", "tenant": "$tenant"})),
                does("list_topics").with(json!({"limit": 2})).answers(json!({"data": [{"name": "c"}, {"name": "b"}]})).keep("page"),
                does("list_topics")
                    .with(json!({"limit": 2, "cursor": "$page.next_cursor"}))
                    .answers(json!({"data": [{"name": "a"}], "next_cursor": null})),
                does("list_endpoints").with(json!({"cursor": "$page.next_cursor"})).names(&["/cursor"]),
                does("list_topics").with(json!({"cursor": "nonsense"})).names(&["/cursor"]),
                does("list_topics").with(json!({"limit": 0})).names(&["/limit"]),
                does("list_topics").with(json!({"limit": 251})).names(&["/limit"]),
                does("list_topics")
                    .with(json!({"colour": "red"}))
                    .names(&["/colour"])
                    .cannot(Grpc, "a message has no other members than its own")
                    .cannot(Graphql, "an operation declares its arguments"),
            ],
        ),
    ]
}
