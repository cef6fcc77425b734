//! Keys, erasures, tenants, the state of the whole.

use serde_json::json;

use super::topic;
use crate::scenarios::row::Transport::Grpc;
use crate::scenarios::row::{Row, Who, does, row};

pub fn rows() -> Vec<Row> {
    vec![keys(), wrong_keys(), erasures(), wrong_erasures(), tenants(), stats()]
}

fn keys() -> Row {
    row(
        "a key is made, listed and ended",
        [
            does("create_key")
                .body(json!({"name": "publisher", "scopes": ["publish", "read", "publish"], "expires_at": "2090-01-01T00:00:00Z"}))
                .answers(json!({"name": "publisher", "tenant": "$tenant", "expires_at": "2090-01-01T00:00:00Z"}))
                .keep("key"),
            does("list_keys").with(json!({"limit": 1})).answers(json!({"data": [{"id": "$key.id", "key": null}]})),
            does("delete_key").id("$key.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("delete_key").id("$key.id").by(Who::Keeper).refused("forbidden", 403, &[]),
            does("delete_key").id("$key.id"),
            does("delete_key").id("$key.id").refused("not_found", 404, &[]),
            does("delete_key").id("key_nonsense").refused("not_found", 404, &[]),
        ],
    )
}

fn wrong_keys() -> Row {
    row(
        "what is wrong with a key is named",
        [
            does("create_key").body(json!({"name": "", "scopes": ["read"]})).names(&["/name"]),
            does("create_key").body(json!({"name": "x", "scopes": []})).names(&["/scopes"]),
            does("create_key")
                .body(json!({"name": "x", "scopes": ["read", "write"]}))
                .names(&["/scopes/1"])
                .untyped_in_graphql("an enum of the schema has no such value"),
            does("create_key")
                .body(json!({"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}))
                .names(&["/expires_at"]),
            does("create_key").body(json!({"name": "x", "scopes": ["read"], "tenant": "another"})).refused(
                "forbidden",
                403,
                &[],
            ),
            does("create_key")
                .by(Who::Root)
                .body(json!({"name": "x", "scopes": ["read"], "tenant": ""}))
                .names(&["/tenant"]),
            does("create_key").by(Who::Keeper).body(json!({"name": "x", "scopes": ["read"]})).refused(
                "forbidden",
                403,
                &[],
            ),
            does("list_keys").by(Who::Reader).refused("forbidden", 403, &[]),
            does("list_keys").with(json!({"cursor": "x"})).names(&["/cursor"]),
            does("create_key")
                .body(json!({"name": "x", "scopes": ["read"], "colour": "red"}))
                .names(&["/colour"])
                .untyped_in_graphql("a member that the schema does not have is refused by the library")
                .cannot(Grpc, "a message has no other members than its own"),
        ],
    )
}

fn erasures() -> Row {
    row(
        "what is erased is gone from every read at once",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})).keep("endpoint"),
            does("publish")
                .body(
                    json!({"topic": "a", "payload": 1, "metadata": {"person": "7"}, "uid": "x", "delay_seconds": 600}),
                )
                .keep("one"),
            does("publish").body(json!({"topic": "a", "payload": 2, "delay_seconds": 600})).keep("two"),
            does("erase").body(json!({"metadata": {"person": "7"}})).answers(json!({"tenant": "$tenant", "erased": 0})),
            does("get_message").id("$one.id").refused("not_found", 404, &[]),
            does("list_messages").with(json!({"uid": "x"})).answers(json!({"data": []})),
            does("list_messages").answers(json!({"data": [{"id": "$two.id"}]})),
            does("erase").body(json!({"message_id": "$two.id"})),
            does("get_message").id("$two.id").refused("not_found", 404, &[]),
            does("list_deliveries").answers(json!({"data": []})),
        ],
    )
}

fn wrong_erasures() -> Row {
    row(
        "an erasure says exactly what it takes",
        [
            does("erase").body(json!({})).names(&[""]),
            does("erase").body(json!({"topic": "a", "message_id": "msg_nonsense"})).names(&["/message_id"]),
            does("erase").body(json!({"topic": "a", "metadata": {"k": "v"}})).names(&[""]),
            does("erase").body(json!({"endpoint_id": "uid:nobody"})).names(&["/endpoint_id"]),
            does("erase").body(json!({"delivery_id": "dlv_nonsense"})).names(&["/delivery_id"]),
            does("erase").body(json!({"topic": "no name"})).names(&["/topic"]),
            does("erase").body(json!({"tenant": "another"})).refused("forbidden", 403, &[]),
            does("erase").by(Who::Keeper).body(json!({"topic": "a"})).refused("forbidden", 403, &[]),
        ],
    )
}

fn tenants() -> Row {
    row(
        "tenants are those that own anything, and a tenant's key sees its own",
        [
            topic("a"),
            does("list_tenants").answers(json!({"data": [{"name": "$tenant"}]})),
            does("list_tenants").with(json!({"cursor": "$tenant"})).answers(json!({"data": []})),
            does("list_tenants").with(json!({"limit": 0})).names(&["/limit"]),
            does("list_tenants").with(json!({"cursor": ""})).names(&["/cursor"]),
            does("list_tenants").by(Who::Publisher).refused("forbidden", 403, &[]),
        ],
    )
}

fn stats() -> Row {
    row(
        "the state of the whole is told, and to a tenant only its own",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"]})),
            does("publish").body(json!({"topic": "a", "payload": 1, "delay_seconds": 600})),
            does("get_stats").answers(json!({"endpoints": 1, "backlog": 1, "waiting": 1, "failed": 0, "server": null})),
            does("get_stats")
                .by(Who::Root)
                .with(json!({"tenant": "$tenant"}))
                .answers(json!({"endpoints": 1, "server": {"allowed_networks": ["127.0.0.0/8"]}})),
            does("get_stats").with(json!({"tenant": "another"})).refused("forbidden", 403, &[]),
            does("get_stats").by(Who::Publisher).refused("forbidden", 403, &[]),
        ],
    )
}
