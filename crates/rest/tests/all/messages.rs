//! Messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::stage::{Stage, id, with_receiver};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_payloads_bytes_arrive_and_are_read_back_exactly_as_they_were_given() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let payload = "{ \"b\":1.50,\n\t\"a\" : [1e2, \"\\u00fc\u{fc}\", null ] , \"b\": 2}";
    let body = format!("{{\"topic\": \"order.created\", \"payload\":  {payload}  , \"metadata\": {{\"k\": \"v\"}}}}");
    let accepted = stage.send("POST", "/v1/messages", &[JSON], body.as_bytes()).await.expect(202);
    assert_eq!((&accepted["deliveries"], &accepted["duplicate"]), (&json!(1), &json!(false)));
    assert_eq!((&accepted["topic"], &accepted["tenant"]), (&json!("order.created"), &json!("default")));
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].body, payload.as_bytes());
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(received[0].header("webhook-id"), id(&accepted));
    let read = stage.get(&format!("/v1/messages/{}", id(&accepted))).await;
    assert!(String::from_utf8_lossy(&read.body).contains(payload), "{read:?}");
    let read = read.expect(200);
    assert_eq!(
        (&read["metadata"], &read["deliveries"], &read["origin"]["kind"]),
        (&json!({"k": "v"}), &json!(1), &json!("api"))
    );
    assert_eq!(read["rejection"], Value::Null);
}

#[tokio::test]
async fn a_payload_may_be_json_null_or_text_or_any_bytes() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({"max_in_flight": 1})).await;
    let bytes = b"\0\xff\xfe binary";
    let cases: [(Value, &str, &[u8], Value); 4] = [
        (json!({"payload": null}), "application/json", b"null", json!({"payload": null})),
        (
            json!({"payload_text": "grüß"}),
            "text/plain; charset=utf-8",
            "grüß".as_bytes(),
            json!({"payload_text": "grüß"}),
        ),
        (
            json!({"payload_base64": STANDARD.encode(bytes)}),
            "application/octet-stream",
            bytes,
            json!({"payload_base64": STANDARD.encode(bytes)}),
        ),
        (
            json!({"payload": {"a": 1}, "content_type": "application/x.own+json"}),
            "application/x.own+json",
            br#"{"a":1}"#,
            json!({"payload": {"a": 1}}),
        ),
    ];
    for (count, (mut body, content_type, sent, shown)) in cases.into_iter().enumerate() {
        body["topic"] = json!("order.created");
        let message = id(&stage.post("/v1/messages", body).await.expect(202));
        let received = receiver.wait_for(count + 1).await;
        assert_eq!(received[count].body, sent);
        assert_eq!(received[count].header("content-type"), content_type);
        let read = stage.get(&format!("/v1/messages/{message}")).await.expect(200);
        for name in ["payload", "payload_text", "payload_base64"] {
            assert_eq!(read.get(name), shown.get(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_publish_repeated_with_its_key_is_the_same_publish() {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    let body = br#"{"topic": "order.created", "payload": 1}"#;
    let first = stage.send("POST", "/v1/messages", &[JSON, ("idempotency-key", "k-1")], body).await.expect(202);
    let again = stage.send("POST", "/v1/messages", &[JSON, ("idempotency-key", "\"k-1\"")], body).await.expect(202);
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let other = br#"{"topic": "order.created", "payload": 2}"#;
    let refused = stage.send("POST", "/v1/messages", &[JSON, ("idempotency-key", "k-1")], other).await;
    refused.refused(422, "invalid", "/idempotency_key");
    let both = br#"{"topic": "order.created", "payload": 1, "idempotency_key": "k-2"}"#;
    let refused = stage.send("POST", "/v1/messages", &[JSON, ("idempotency-key", "k-1")], both).await;
    refused.refused(422, "invalid", "/idempotency_key");
    for bad in ["\"open", " "] {
        let refused = stage.send("POST", "/v1/messages", &[JSON, ("idempotency-key", bad)], body).await;
        refused.refused(400, "invalid_header", "Idempotency-Key");
    }
    let uid = json!({"topic": "order.created", "payload": 1, "uid": "u"});
    stage.post("/v1/messages", uid.clone()).await.expect(202);
    stage.post("/v1/messages", uid).await.refused(409, "uid_taken", "-");
}

#[tokio::test]
async fn a_batch_is_answered_item_by_item() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let body = br#"{"messages": [
        {"topic": "order.created", "payload":  {"n" :1}},
        {"topic": "nobody.knows", "payload": 2},
        {"topic": "order.created", "payload": 3, "colour": "red"},
        [],
        {"topic": "order.created", "payload": 4, "idempotency_key": "k"},
        {"topic": "order.created", "payload": 4, "idempotency_key": "k"},
        {"topic": "order.created", "payload": 5, "idempotency_key": "k"}
    ]}"#;
    let results = stage.send("POST", "/v1/messages/batch", &[JSON], body).await.expect(202)["results"].clone();
    let codes: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["error"]["status"]).collect();
    assert_eq!(json!(codes), json!([null, 422, 422, 422, null, null, 422]), "{results}");
    let pointers =
        [1, 2, 3, 6].map(|index| results[index]["error"]["errors"][0]["pointer"].as_str().unwrap().to_owned());
    assert_eq!(pointers, ["/messages/1/topic", "/messages/2/colour", "/messages/3", "/messages/6/idempotency_key"]);
    let duplicates = [4, 5].map(|index| results[index]["duplicate"].as_bool().unwrap());
    assert_eq!((duplicates, &results[4]["id"]), ([false, true], &results[5]["id"]));
    let received = receiver.wait_for(2).await;
    let mut bodies: Vec<&[u8]> = received.iter().map(|request| &*request.body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [&b"4"[..], b"{\"n\" :1}"]);
}

#[tokio::test]
async fn a_batch_has_bounds_and_no_key_of_its_own() {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    let message = json!({"topic": "order.created", "payload": 1});
    let many = |count: usize| json!({"messages": vec![message.clone(); count]}).to_string();
    let headers = [JSON, ("idempotency-key", "k")];
    let refused = stage.send("POST", "/v1/messages/batch", &headers, many(1).as_bytes()).await;
    refused.refused(400, "invalid_header", "Idempotency-Key");
    let refused = stage.send("POST", "/v1/messages/batch", &[JSON], many(501).as_bytes()).await;
    refused.refused(422, "invalid", "/messages");
    let accepted = stage.send("POST", "/v1/messages/batch", &[JSON], many(500).as_bytes()).await.expect(202);
    let results = accepted["results"].as_array().unwrap();
    assert!(results.len() == 500 && results.iter().all(|result| result["id"].is_string()));
    let huge = vec![b' '; (8 << 20) + 1];
    stage.send("POST", "/v1/messages/batch", &[JSON], &huge).await.refused(413, "too_large", "-");
}

#[tokio::test]
async fn messages_are_found_by_what_they_carry() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    stage.topic("b").await;
    let publish = |body: Value| async { id(&stage.post("/v1/messages", body).await.expect(202)) };
    let one = publish(json!({"topic": "a", "payload": 1, "uid": "u/1", "metadata": {"order": "7", "shop": "x"}})).await;
    let two = publish(json!({"topic": "b", "payload": 2, "ordering_key": "k", "metadata": {"order": "7"}})).await;
    let three = publish(json!({"topic": "a", "payload": 3, "tenant": "acme"})).await;
    for (query, expected) in [
        ("", vec![&three, &two, &one]),
        ("?topic=a", vec![&three, &one]),
        ("?tenant=acme", vec![&three]),
        ("?ordering_key=k", vec![&two]),
        ("?metadata.order=7", vec![&two, &one]),
        ("?metadata.order=7&metadata.shop=x", vec![&one]),
        ("?uid=u%2F1", vec![&one]),
        ("?uid=u%2F1&topic=b", vec![]),
        ("?uid=nobody", vec![]),
        ("?until=2020-01-01T00:00:00Z", vec![]),
        ("?since=2020-01-01T00:00:00Z&topic=b", vec![&two]),
        ("?rejected=true", vec![]),
    ] {
        let list = stage.get(&format!("/v1/messages{query}")).await.expect(200);
        let ids: Vec<String> = list["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{query}");
        assert!(list["data"].as_array().unwrap().iter().all(|message| message.get("payload").is_none()));
    }
    assert_eq!(id(&stage.get("/v1/messages/uid:u%2F1").await.expect(200)), one);
    stage.get("/v1/messages/uid:u%2F1?tenant=acme").await.refused(404, "not_found", "-");
}

#[tokio::test]
async fn a_message_that_waits_can_be_explained_and_withdrawn() {
    let (stage, receiver) = with_receiver().await;
    let wants = stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let other = stage.endpoint("https://example.com/hook", json!({"topics": ["refund.*"]})).await;
    let body = json!({"topic": "order.created", "payload": 1, "delay_seconds": 3600});
    let message = id(&stage.post("/v1/messages", body).await.expect(202));
    let explained = stage.get(&format!("/v1/messages/{message}/explain")).await.expect(200);
    let matched = |endpoint: &str| {
        let endpoints = explained["endpoints"].as_array().unwrap();
        let found = endpoints.iter().find(|explained| explained["endpoint_id"] == endpoint);
        found.unwrap_or_else(|| panic!("{explained}")).clone()
    };
    assert_eq!((&matched(&wants)["matched"], &matched(&wants)["status"]), (&json!(true), &json!("pending")));
    assert_eq!((&matched(&other)["matched"], &matched(&other)["delivery_id"]), (&json!(false), &Value::Null));
    stage.delete(&format!("/v1/messages/{message}")).await.expect(204);
    let list = stage.get(&format!("/v1/deliveries?message_id={message}")).await.expect(200);
    assert_eq!((&list["data"][0]["status"], &list["data"][0]["reason"]), (&json!("cancelled"), &json!("by_request")));
    assert!(receiver.received().is_empty());
}
