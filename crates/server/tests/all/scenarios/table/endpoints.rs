//! Endpoints: their life, their verbs, and what is wrong with them.

use serde_json::json;

use super::topic;
use crate::scenarios::row::Transport::{Graphql, Grpc};
use crate::scenarios::row::{Row, Who, does, row};

const NO_OTHER_MEMBERS: &str = "a message has no other members than its own";

pub fn rows() -> Vec<Row> {
    vec![
        life(),
        verbs(),
        secrets(),
        wrong_members(),
        wrong_addresses(),
        taken(),
        others(),
        lists(),
        subscriptions(),
        challenge(),
    ]
}

fn life() -> Row {
    row(
        "an endpoint is registered, read, changed and removed",
        [
            topic("a"),
            does("create_endpoint")
                .body(json!({
                    "url": "$hook", "topics": ["a"], "name": "Hook", "uid": "hook", "method": "PUT",
                    "headers": {"x-a": "1", "x-b": "2"}, "metadata": {"k": "v", "l": "w"}, "secret": "s",
                    "filter": {"payload.total": {"$gte": 100}}, "success_codes": [200, 204],
                }))
                .answers(json!({"url": "$hook", "topics": ["a"], "state": "active", "revision": 1, "secret": "s"}))
                .keep("endpoint"),
            does("get_endpoint").id("$endpoint.id").answers(json!({"uid": "hook", "method": "PUT"})),
            does("get_endpoint").id("uid:hook").answers(json!({"id": "$endpoint.id"})),
            does("update_endpoint")
                .id("uid:hook")
                .body(json!({
                    "name": null, "topics": [], "headers": {"x-a": null, "x-c": "3"}, "metadata": {"k": null},
                    "filter": null, "success_codes": null, "max_attempts": 3,
                }))
                .if_revision(1)
                .answers(json!({
                    "name": null, "headers": {"x-a": null, "x-b": "2", "x-c": "3"}, "metadata": {"k": null, "l": "w"},
                    "filter": null, "max_attempts": 3, "revision": 2,
                })),
            does("update_endpoint").id("uid:hook").body(json!({"name": "Late"})).if_revision(1).refused(
                "precondition_failed",
                412,
                &[],
            ),
            does("delete_endpoint").id("uid:hook").if_revision(1).refused("precondition_failed", 412, &[]),
            does("delete_endpoint").id("uid:hook").if_revision(2),
            does("get_endpoint").id("$endpoint.id").refused("not_found", 404, &[]),
            does("get_endpoint").id("uid:hook").refused("not_found", 404, &[]),
            does("pause_endpoint").id("$endpoint.id").refused("not_found", 404, &[]),
        ],
    )
}

fn verbs() -> Row {
    row(
        "an endpoint is paused, resumed and tested, and says how it has been doing",
        [
            does("create_endpoint").body(json!({"url": "$hook", "topics": []})).keep("endpoint"),
            does("get_endpoint_stats").id("$endpoint.id").answers(json!({"window_seconds": 86400, "attempts": 0})),
            does("get_endpoint_stats")
                .id("$endpoint.id")
                .with(json!({"window_seconds": 60}))
                .answers(json!({"window_seconds": 60})),
            does("get_endpoint_stats")
                .id("$endpoint.id")
                .with(json!({"window_seconds": -1}))
                .names(&["/window_seconds"]),
            does("pause_endpoint").id("$endpoint.id").answers(json!({"state": "paused"})),
            does("pause_endpoint").id("$endpoint.id").answers(json!({"state": "paused"})),
            does("test_endpoint").id("$endpoint.id").refused("endpoint_not_active", 409, &[]),
            does("resume_endpoint").id("$endpoint.id").answers(json!({"state": "active"})),
            does("test_endpoint")
                .id("$endpoint.id")
                .answers(json!({"outcome": "succeeded", "status_code": 200, "number": 1})),
            does("get_endpoint_stats")
                .id("$endpoint.id")
                .answers(json!({"attempts": 1, "succeeded": 1, "success_rate": 1})),
        ],
    )
}

fn secrets() -> Row {
    row(
        "a secret is shown to those who may see it, and rotated",
        [
            does("create_endpoint").body(json!({"url": "$hook", "topics": []})).keep("endpoint"),
            does("get_endpoint_secret").id("$endpoint.id").answers(json!({"secret": "$endpoint.secret"})),
            does("get_endpoint_secret").id("$endpoint.id").by(Who::Reader).refused("forbidden", 403, &[]),
            does("rotate_endpoint_secret")
                .id("$endpoint.id")
                .body(json!({"overlap_seconds": 60, "secret": "another"}))
                .answers(json!({"secret": "another", "previous": [{"secret": "$endpoint.secret"}]})),
            does("rotate_endpoint_secret")
                .id("$endpoint.id")
                .body(json!({"overlap_seconds": -1}))
                .names(&["/overlap_seconds"]),
            does("rotate_endpoint_secret").id("$endpoint.id").body(json!({"secret": "whsec_*"})).names(&["/secret"]),
        ],
    )
}

fn wrong_members() -> Row {
    let no_enum = "an enum of the schema has no such value";
    row(
        "each member of an endpoint that is wrong is named",
        [
            topic("a"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["unknown"]})).names(&["/topics/0"]),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "timeout_seconds": 0, "max_in_flight": 5000, "method": "TRACE X"}))
                .names(&["/max_in_flight", "/method", "/timeout_seconds"]),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "colour": "red"}))
                .names(&["/colour"])
                .untyped_in_graphql("a member that the schema does not have is refused by the library")
                .cannot(Grpc, NO_OTHER_MEMBERS),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "ordering": "lifo"}))
                .names(&["/ordering"])
                .untyped_in_graphql(no_enum),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "signature_styles": ["standard", "pigeon"]}))
                .names(&["/signature_styles/1"])
                .untyped_in_graphql(no_enum),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "filter": {"payload.a": {"$near": 1}}}))
                .names(&["/filter/payload.a/$near"]),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"], "headers": {"host": "x"}})).names(&["/headers/host"]),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "retry": {"jitter": 2}}))
                .names(&["/retry/jitter"]),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"], "secret": ""})).names(&["/secret"]),
            does("create_endpoint").body(json!({"url": "$hook", "topics": ["a"], "uid": ""})).names(&["/uid"]),
            does("create_endpoint")
                .body(json!({"url": "$hook"}))
                .names(&["/topics"])
                .cannot(Grpc, "a list cannot be left out: without topics the endpoint gets what is addressed to it"),
            does("create_endpoint").body(json!({"topics": ["a"]})).names(&["/url"]),
            does("create_endpoint")
                .body(json!({"url": 7, "topics": ["a"]}))
                .names(&["/url"])
                .untyped_in_graphql("a number is no String")
                .cannot(Grpc, "a string field holds a string"),
        ],
    )
}

fn wrong_addresses() -> Row {
    let refused = |url: &str| does("create_endpoint").body(json!({"url": url, "topics": []})).names(&["/url"]);
    row(
        "a URL that must not be sent to is refused",
        [
            refused("not a url"),
            refused("ftp://example.com/"),
            refused("http://user:secret@example.com/"),
            refused("http://10.0.0.1/"),
            refused("http://169.254.169.254/latest/meta-data"),
            refused("http://[::ffff:10.0.0.1]/"),
            refused("http://0x0a000001/"),
            does("subscribe").body(json!({"url": "http://10.0.0.1/", "topic": "*"})).names(&["/url"]),
            topic("a"),
            does("publish").body(json!({"urls": ["http://10.0.0.1/"], "payload": 1})).names(&["/urls/0"]),
        ],
    )
}

fn taken() -> Row {
    row(
        "a uid is taken once, and a dead letter does not go in a circle",
        [
            does("create_endpoint").body(json!({"url": "$hook", "topics": [], "uid": "x"})).keep("one"),
            does("create_endpoint").body(json!({"url": "$hook", "topics": [], "uid": "x"})).refused(
                "uid_taken",
                409,
                &[],
            ),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": [], "dead_letter_endpoint_id": "$one.id"}))
                .keep("two"),
            does("update_endpoint")
                .id("$one.id")
                .body(json!({"dead_letter_endpoint_id": "$two.id"}))
                .names(&["/dead_letter_endpoint_id"]),
            does("update_endpoint")
                .id("$one.id")
                .body(json!({"dead_letter_endpoint_id": "$one.id"}))
                .names(&["/dead_letter_endpoint_id"]),
        ],
    )
}

fn others() -> Row {
    row(
        "what another tenant has is not there, and what a key may not do is refused",
        [
            does("create_endpoint").body(json!({"url": "$hook", "topics": []})).keep("endpoint"),
            does("get_endpoint").id("$endpoint.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("update_endpoint").id("$endpoint.id").by(Who::Stranger).body(json!({"name": "x"})).refused(
                "not_found",
                404,
                &[],
            ),
            does("delete_endpoint").id("$endpoint.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("get_endpoint_secret").id("$endpoint.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("get_endpoint_stats").id("$endpoint.id").by(Who::Stranger).refused("not_found", 404, &[]),
            does("list_endpoints").by(Who::Stranger).answers(json!({"data": []})),
            does("list_endpoints").by(Who::Stranger).with(json!({"tenant": "$tenant"})).refused("forbidden", 403, &[]),
            does("create_endpoint").by(Who::Reader).body(json!({"url": "$hook", "topics": []})).refused(
                "forbidden",
                403,
                &[],
            ),
            does("pause_endpoint").id("$endpoint.id").by(Who::Publisher).refused("forbidden", 403, &[]),
            does("pause_endpoint").id("$endpoint.id").by(Who::Keeper).answers(json!({"state": "paused"})),
            does("get_endpoint").id("$endpoint.id").by(Who::Keeper).refused("forbidden", 403, &[]),
            does("get_endpoint").id("$endpoint.id").by(Who::Unknown).refused("unauthenticated", 401, &[]),
            does("get_endpoint").id("$endpoint.id").by(Who::Nobody).refused("unauthenticated", 401, &[]),
            does("get_endpoint").id("ep_nonsense").refused("not_found", 404, &[]),
        ],
    )
}

fn lists() -> Row {
    row(
        "a list shows what its filters say",
        [
            topic("a"),
            topic("b.c"),
            does("create_endpoint").body(json!({"url": "$hook/1", "topics": ["a"]})).keep("one"),
            does("create_endpoint").body(json!({"url": "$hook/2", "topics": ["b.*"]})),
            does("pause_endpoint").id("$one.id"),
            does("publish").body(json!({"urls": ["$hook/3"], "payload": 1})).answers(json!({"deliveries": 1})),
            does("list_endpoints").answers(json!({"data": [{"url": "$hook/2"}, {"url": "$hook/1"}]})),
            does("list_endpoints").with(json!({"topic": "b.c"})).answers(json!({"data": [{"url": "$hook/2"}]})),
            does("list_endpoints").with(json!({"state": "paused"})).answers(json!({"data": [{"url": "$hook/1"}]})),
            does("list_endpoints")
                .with(json!({"adhoc": true}))
                .answers(json!({"data": [{"url": "$hook/3", "adhoc": true}]})),
            does("list_endpoints").with(json!({"topic": "not a name"})).names(&["/topic"]),
            does("list_endpoints")
                .with(json!({"state": "asleep"}))
                .names(&["/state"])
                .untyped_in_graphql("an enum of the schema has no such value"),
            does("list_endpoints").with(json!({"limit": 1})).keep("page"),
            does("list_endpoints")
                .with(json!({"limit": 1, "topic": "a", "cursor": "$page.next_cursor"}))
                .names(&["/cursor"]),
        ],
    )
}

fn subscriptions() -> Row {
    row(
        "a URL is subscribed once, and taken off",
        [
            topic("a"),
            topic("b"),
            does("subscribe")
                .body(json!({"url": "$hook", "topic": "a"}))
                .answers(json!({"created": true, "topics": ["a"]})),
            does("subscribe")
                .body(json!({"url": "$hook", "topic": "a"}))
                .answers(json!({"created": false, "topics": ["a"]})),
            does("subscribe").body(json!({"url": "$hook", "topic": "b"})).answers(json!({"topics": ["a", "b"]})),
            does("subscribe").body(json!({"url": "$hook", "topic": "unknown"})).names(&["/topic"]),
            does("subscribe").by(Who::Reader).body(json!({"url": "$hook", "topic": "a"})).refused(
                "forbidden",
                403,
                &[],
            ),
            does("unsubscribe").body(json!({"url": "$hook", "topic": "a"})).answers(json!({"removed": true})),
            does("unsubscribe").body(json!({"url": "$hook", "topic": "a"})).answers(json!({"removed": false})),
            does("unsubscribe").body(json!({"url": "$hook"})).answers(json!({"removed": true})),
            does("list_endpoints").answers(json!({"data": []})),
        ],
    )
}

fn challenge() -> Row {
    row(
        "an endpoint whose owner is asked gets nothing until the token comes back",
        [
            topic("a"),
            does("create_endpoint")
                .body(json!({"url": "$hook", "topics": ["a"], "verification": "token"}))
                .answers(json!({"state": "pending_verification"}))
                .keep("endpoint"),
            does("publish").body(json!({"topic": "a", "payload": 1})).answers(json!({"deliveries": 0})),
            does("verify_endpoint")
                .id("$endpoint.id")
                .by(Who::Nobody)
                .body(json!({"token": "wrong"}))
                .names(&["/token"])
                .cannot(Graphql, "every operation of GraphQL needs a key"),
            does("verify_endpoint")
                .id("$endpoint.id")
                .body(json!({"token": "$token"}))
                .answers(json!({"id": "$endpoint.id", "state": "active"}))
                .takes_token(),
            does("verify_endpoint").id("$endpoint.id").body(json!({"token": "$token"})).names(&["/token"]),
            does("challenge_endpoint").id("$endpoint.id").refused("wrong_state", 409, &[]),
            does("challenge_endpoint").id("$endpoint.id").by(Who::Reader).refused("forbidden", 403, &[]),
        ],
    )
}
