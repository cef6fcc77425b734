//! What is read: resources, relations, pages.

use posthaste_testkit::{Answer, Receiver};
use serde_json::json;

use crate::stage::{Stage, text};

#[tokio::test]
async fn a_message_leads_to_its_deliveries_their_attempts_and_the_endpoints() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    receiver.answer(Answer::status(200).body("thanks"));
    stage.topic("order.created").await;
    let endpoint = stage.endpoint(&receiver.url("/a"), json!({"metadata": {"team": "blue"}})).await;
    let message = stage.publish("order.created", json!({"id": 7, "tags": ["x"]})).await;
    receiver.wait_for(1).await;
    let walk = "query($id: ID!) { message(id: $id) {
        id topic deliveryCount createdAt payload { json text base64 } origin
        deliveries { nextCursor data {
            status attemptCount lastStatusCode finishedAt reason
            message { id }
            endpoint { id url metadata bodyFormat signatureStyles retry { scheduleSeconds jitter } }
            attempts { data { number outcome statusCode durationMs
                request { method body headers { name value } } response { body truncated } } }
        } }
        explanation { matched why delivery { status } }
    } }";
    let done = |data: &serde_json::Value| data["message"]["deliveries"]["data"][0]["status"] == "SUCCEEDED";
    let read = stage.until(walk, json!({"id": message}), done).await;
    let read = &read["message"];
    assert_eq!(read["payload"]["json"], json!({"id": 7, "tags": ["x"]}));
    assert_eq!((read["deliveryCount"].as_u64(), &read["topic"]), (Some(1), &json!("order.created")));
    let delivery = &read["deliveries"]["data"][0];
    assert_eq!(delivery["message"]["id"], message.as_str());
    assert_eq!(delivery["endpoint"]["id"], endpoint.as_str());
    assert_eq!(delivery["endpoint"]["metadata"], json!({"team": "blue"}));
    assert_eq!(delivery["endpoint"]["signatureStyles"], json!(["STANDARD"]));
    assert_eq!((&delivery["attemptCount"], &delivery["lastStatusCode"]), (&json!(1), &json!(200)));
    let attempt = &delivery["attempts"]["data"][0];
    assert_eq!((&attempt["outcome"], &attempt["response"]["body"]), (&json!("SUCCEEDED"), &json!("thanks")));
    assert_eq!(attempt["request"]["body"], r#"{"id":7,"tags":["x"]}"#);
    assert_eq!(read["explanation"][0]["matched"], true);
}

#[tokio::test]
async fn pages_follow_each_other_and_a_cursor_of_another_list_is_refused() {
    let stage = Stage::open().await;
    for name in ["a", "b", "c"] {
        stage.topic(name).await;
    }
    let page = "query($cursor: String, $tenant: String) {
        topics(limit: 2, cursor: $cursor, tenant: $tenant) { data { name } nextCursor } }";
    let first = stage.ask(page, json!({})).await.data()["topics"].clone();
    assert_eq!(first["data"], json!([{"name": "c"}, {"name": "b"}]));
    let cursor = text(&first["nextCursor"]);
    let second = stage.ask(page, json!({"cursor": cursor})).await.data()["topics"].clone();
    assert_eq!((&second["data"], &second["nextCursor"]), (&json!([{"name": "a"}]), &json!(null)));
    for wrong in [json!({"cursor": cursor, "tenant": "acme"}), json!({"cursor": "no cursor"})] {
        let refused = stage.ask(page, wrong).await.refused("invalid");
        assert_eq!(refused["extensions"]["errors"][0]["pointer"], "/cursor");
    }
    let refused = stage.ask("{ topics(limit: 251) { nextCursor } }", json!({})).await.refused("invalid");
    assert_eq!(refused["extensions"]["errors"][0], json!({"pointer": "/limit", "detail": "use 1 to 250"}));
}

#[tokio::test]
async fn filters_narrow_lists() {
    let stage = Stage::open().await;
    stage.topic("a.b").await;
    let paused = stage.endpoint("http://127.0.0.1:9/", json!({"name": "one"})).await;
    stage.endpoint("http://127.0.0.1:9/", json!({"topics": ["other.*"]})).await;
    let pause = "mutation($id: ID!) { pauseEndpoint(id: $id) { state stateReason } }";
    assert_eq!(stage.ask(pause, json!({"id": paused})).await.data()["pauseEndpoint"]["state"], "PAUSED");
    let message = stage.publish("a.b", json!(1)).await;
    stage.publish("a.b", json!(2)).await;
    let read = stage
        .ask(
            "query($message: ID!, $endpoint: ID!) {
                endpoints(state: PAUSED, topic: \"a.b\") { data { id } }
                deliveries(messageId: $message, endpointId: $endpoint, status: PENDING) { data { waitingFor message { id } } }
                messages(topic: \"a.b\") { data { id } }
                stats { endpoints backlog nodes { roles version } }
                tenants
            }",
            json!({"message": message, "endpoint": paused}),
        )
        .await
        .data();
    assert_eq!(read["endpoints"]["data"], json!([{"id": paused}]));
    let waiting = json!([{"waitingFor": "ENDPOINT_PAUSED", "message": {"id": message}}]);
    assert_eq!(read["deliveries"]["data"], waiting);
    assert_eq!(read["messages"]["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(read["tenants"], json!(["default"]));
    assert_eq!((&read["stats"]["endpoints"], &read["stats"]["backlog"]), (&json!(2), &json!(2)));
    let refused = stage.ask("{ deliveries(messageId: \"x\") { nextCursor } }", json!({})).await.refused("invalid");
    assert_eq!(refused["extensions"]["errors"][0]["pointer"], "/messageId");
}

#[tokio::test]
async fn a_query_may_come_in_the_url() {
    let stage = Stage::open().await;
    let path =
        "/graphql?query=query(%24l%3AInt)%7Btopics(limit%3A%24l)%7Bdata%7Bname%7D%7D%7D&variables=%7B%22l%22%3A5%7D";
    let reply = crate::client::send(stage.address, "GET", path, &[], b"").await;
    assert_eq!(reply.data()["topics"]["data"], json!([]));
    assert_eq!(reply.header("cache-control"), "no-store");
    let mutation = "/graphql?query=mutation%7BdeleteTopic(name%3A%22a%22)%7D";
    let refused = crate::client::send(stage.address, "GET", mutation, &[], b"").await;
    refused.refused("method_not_allowed");
    assert_eq!(refused.status, 405);
}

#[tokio::test]
async fn the_explorer_is_served_without_anything_from_outside() {
    let stage = Stage::open().await;
    for (path, kind) in [("/graphiql", "text/html"), ("/graphiql/explorer.js", "text/javascript")] {
        let page = crate::client::send(stage.address, "GET", path, &[], b"").await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").starts_with(kind));
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
    }
}
