//! Deliveries and their attempts.

use posthaste_testkit::Answer;
use serde_json::{Value, json};

use crate::stage::{Stage, id, with_receiver};

/// Publishes one message and returns its only delivery's path.
async fn delivery_of(stage: &Stage, more: Value) -> String {
    let mut body = json!({"topic": "order.created", "payload": {"n": 1}});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let message = id(&stage.post("/v1/messages", body).await.expect(202));
    let list = stage.get(&format!("/v1/deliveries?message_id={message}")).await.expect(200);
    format!("/v1/deliveries/{}", id(&list["data"][0]))
}

#[tokio::test]
async fn a_delivery_that_succeeded_shows_its_exchange() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({})).await;
    receiver.script([Answer::status(202).header("x-odd", "yes").body("thanks")]);
    let path = delivery_of(&stage, json!({})).await;
    let delivery = stage.until(&path, |delivery| delivery["status"] == "succeeded").await;
    assert_eq!((&delivery["endpoint_id"], &delivery["url"]), (&json!(endpoint), &json!(receiver.url("/hook"))));
    assert_eq!((&delivery["attempts"], &delivery["last_status_code"]), (&json!(1), &json!(202)));
    assert_eq!((&delivery["reason"], &delivery["waiting_for"]), (&Value::Null, &Value::Null));
    assert!(delivery["finished_at"].is_string() && delivery["status_at"] == delivery["finished_at"], "{delivery}");
    let attempts = stage.get(&format!("{path}/attempts")).await.expect(200);
    let attempt = &attempts["data"][0];
    assert_eq!(
        (&attempt["outcome"], &attempt["number"], &attempt["status_code"]),
        (&json!("succeeded"), &json!(1), &json!(202))
    );
    assert!(attempt["duration_ms"].as_f64().unwrap() > 0.0, "{attempt}");
    assert_eq!(attempt["request"]["body"], r#"{"n":1}"#);
    let header = |side: &str, name: &str| {
        let headers = attempt[side]["headers"].as_array().unwrap().clone();
        headers.into_iter().find(|pair| pair[0] == name).map(|pair| pair[1].clone()).unwrap_or_default()
    };
    assert_eq!(header("request", "webhook-id"), delivery["message_id"]);
    assert_eq!(header("request", "webhook-signature"), "(redacted)");
    assert_eq!(header("response", "x-odd"), "yes");
    assert_eq!((&attempt["response"]["body"], &attempt["response"]["truncated"]), (&json!("thanks"), &json!(false)));
    assert_eq!(&stage.get(&format!("/v1/attempts/{}", id(attempt))).await.expect(200), attempt);
}

#[tokio::test]
async fn a_dead_letter_can_be_retried_and_its_attempts_go_on() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({"max_attempts": 1})).await;
    receiver.script([Answer::status(500).body(&b"\xff\0no"[..])]);
    let path = delivery_of(&stage, json!({})).await;
    let failed = stage.until(&path, |delivery| delivery["status"] == "failed").await;
    assert_eq!((&failed["reason"], &failed["last_status_code"]), (&json!("attempts_exhausted"), &json!(500)));
    let dead = stage.get("/v1/deliveries?status=failed").await.expect(200);
    assert_eq!(dead["data"].as_array().unwrap().len(), 1);
    let attempts = stage.get(&format!("{path}/attempts")).await.expect(200);
    assert_eq!(attempts["data"][0]["response"]["body_base64"], "/wBubw==");
    let retried = stage.verb(&format!("{path}/retry")).await.expect(200);
    assert_eq!(retried["id"], failed["id"]);
    let done = stage.until(&path, |delivery| delivery["status"] == "succeeded").await;
    assert_eq!(done["attempts"], 2);
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    let page = stage.get(&format!("{path}/attempts?limit=1")).await.expect(200);
    assert_eq!(page["data"][0]["number"], 2);
    let next = page["next_cursor"].as_str().unwrap();
    let page = stage.get(&format!("{path}/attempts?limit=1&cursor={next}")).await.expect(200);
    assert_eq!(page["data"][0]["number"], 1);
}

#[tokio::test]
async fn a_pending_delivery_can_be_cancelled_once_and_not_retried() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let path = delivery_of(&stage, json!({"delay_seconds": 3600})).await;
    let waiting = stage.get(&path).await.expect(200);
    assert_eq!((&waiting["status"], &waiting["waiting_for"]), (&json!("pending"), &json!("schedule")));
    assert!(waiting["next_attempt_at"].as_str() > waiting["created_at"].as_str(), "{waiting}");
    let cancelled = stage.verb(&format!("{path}/cancel")).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("cancelled"), &json!("by_request")));
    stage.verb(&format!("{path}/cancel")).await.refused(409, "wrong_state", "-");
    stage.verb(&format!("{path}/retry")).await.refused(409, "wrong_state", "-");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn deliveries_are_found_by_what_they_are() {
    let (stage, receiver) = with_receiver().await;
    stage.topic("other").await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({"topics": ["order.created"]})).await;
    stage.endpoint(&receiver.url("/acme"), json!({"topics": ["other"], "tenant": "acme"})).await;
    let path = delivery_of(&stage, json!({})).await;
    stage.until(&path, |delivery| delivery["status"] == "succeeded").await;
    stage
        .post("/v1/messages", json!({"topic": "other", "payload": 1, "tenant": "acme", "delay_seconds": 600}))
        .await
        .expect(202);
    for (query, expected) in [
        (String::new(), 2),
        ("?status=succeeded".to_owned(), 1),
        ("?status=pending".to_owned(), 1),
        ("?status=failed".to_owned(), 0),
        (format!("?endpoint_id={endpoint}"), 1),
        ("?topic=other".to_owned(), 1),
        ("?tenant=acme&topic=order.created".to_owned(), 0),
        ("?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z".to_owned(), 0),
    ] {
        let list = stage.get(&format!("/v1/deliveries{query}")).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), expected, "{query}: {list}");
    }
}
