//! Subscribing URLs.

use serde_json::json;

use crate::stage::{id, with_receiver};

#[tokio::test]
async fn subscribing_twice_is_once_and_unsubscribing_takes_off() {
    let (stage, receiver) = with_receiver().await;
    stage.topic("order.paid").await;
    let url = receiver.url("/hook");
    let created = stage.post("/v1/subscribe", json!({"url": url, "topic": "order.created"})).await;
    let endpoint = id(&created.expect(201));
    assert_eq!(created.header("location"), format!("/v1/endpoints/{endpoint}"));
    let again = stage.post("/v1/subscribe", json!({"url": url, "topic": "order.created"})).await.expect(200);
    assert_eq!((id(&again), &again["topics"]), (endpoint.clone(), &json!(["order.created"])));
    let more = stage.post("/v1/subscribe", json!({"url": url, "topic": "order.paid"})).await.expect(200);
    assert_eq!(more["topics"], json!(["order.created", "order.paid"]));
    stage.post("/v1/messages", json!({"topic": "order.paid", "payload": 1})).await.expect(202);
    receiver.wait_for(1).await;
    let off = stage.post("/v1/unsubscribe", json!({"url": url, "topic": "order.paid"})).await.expect(200);
    assert_eq!(off, json!({"removed": true}));
    let nothing = stage.post("/v1/unsubscribe", json!({"url": url, "topic": "order.paid"})).await.expect(200);
    assert_eq!(nothing, json!({"removed": false}));
    stage.post("/v1/unsubscribe", json!({"url": url})).await.expect(200);
    stage.get(&format!("/v1/endpoints/{endpoint}")).await.refused(404, "not_found", "-");
}

#[tokio::test]
async fn a_subscription_that_breaks_a_rule_is_refused_by_the_member() {
    let (stage, receiver) = with_receiver().await;
    let url = receiver.url("/hook");
    for (body, place) in [
        (json!({"url": url}), "/topic"),
        (json!({"topic": "order.created"}), "/url"),
        (json!({"url": url, "topic": "nobody.knows"}), "/topic"),
        (json!({"url": "http://10.0.0.1/", "topic": "order.created"}), "/url"),
        (json!({"url": url, "topic": "order.created", "colour": 1}), "/colour"),
    ] {
        stage.post("/v1/subscribe", body).await.refused(422, "invalid", place);
    }
}
