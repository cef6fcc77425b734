//! Endpoints.

use posthaste_testkit::{Answer, Receiver};
use serde_json::{Value, json};

use crate::stage::{Stage, id, with_receiver};

#[tokio::test]
async fn an_endpoint_has_the_documented_defaults_and_shows_its_secret_once() {
    let stage = Stage::open().await;
    let body = json!({"url": "https://example.com/hook", "topics": ["order.*"], "uid": "crm", "metadata": {"a": "b"}});
    let created = stage.post("/v1/endpoints", body).await;
    let document = created.expect(201);
    let endpoint = id(&document);
    assert_eq!(created.header("location"), format!("/v1/endpoints/{endpoint}"));
    assert_eq!(created.header("etag"), "\"1\"");
    assert!(document["secret"].as_str().unwrap().starts_with("whsec_"), "{document}");
    let read = stage.get(&format!("/v1/endpoints/{endpoint}")).await.expect(200);
    let expected = json!({
        "tenant": "default", "uid": "crm", "adhoc": false, "topics": ["order.*"], "method": "POST", "headers": {},
        "body_format": "raw", "signature_styles": ["standard"], "max_attempts": null, "timeout_seconds": 20,
        "retry_after": "obey", "success_codes": null, "max_in_flight": 64, "disable_after_seconds": 432_000,
        "state": "active", "metadata": {"a": "b"}, "revision": 1, "secret": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(read["retry"]["schedule_seconds"], json!([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]));
    assert_eq!(stage.get("/v1/endpoints/uid:crm").await.expect(200), read);
    let secret = stage.get("/v1/endpoints/uid:crm/secret").await;
    assert_eq!(secret.header("cache-control"), "no-store");
    assert_eq!(secret.expect(200)["secret"], document["secret"]);
    let taken = json!({"url": "https://example.com/2", "topics": [], "uid": "crm"});
    stage.post("/v1/endpoints", taken).await.refused(409, "uid_taken", "-");
}

#[tokio::test]
async fn an_endpoint_is_changed_member_by_member() {
    let stage = Stage::open().await;
    let endpoint = stage.endpoint("https://example.com/hook", json!({"headers": {"x-a": "1", "x-b": "2"}})).await;
    let path = format!("/v1/endpoints/{endpoint}");
    let patch = json!({"name": "CRM", "headers": {"x-a": null, "x-c": "3"}, "retry": {"factor": 3}, "max_attempts": 2});
    let changed = stage.patch(&path, patch).await.expect(200);
    assert_eq!((&changed["name"], &changed["revision"]), (&json!("CRM"), &json!(2)));
    assert_eq!(changed["headers"], json!({"x-b": "2", "x-c": "3"}));
    assert_eq!((&changed["retry"]["factor"], &changed["retry"]["jitter"]), (&json!(3.0), &json!(0.2)));
    assert_eq!(stage.patch(&path, json!({"max_attempts": null})).await.expect(200)["max_attempts"], Value::Null);
    for (patch, place) in [
        (json!({"url": null}), "/url"),
        (json!({"url": "http://10.0.0.1/"}), "/url"),
        (json!({"secret": "x"}), "/secret"),
        (json!({"state": "paused"}), "/state"),
        (json!({"colour": 1}), "/colour"),
    ] {
        stage.patch(&path, patch).await.refused(422, "invalid", place);
    }
    stage.delete(&path).await.expect(204);
    stage.get(&path).await.refused(404, "not_found", "-");
}

#[tokio::test]
async fn lists_show_what_their_filters_say() {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    let ours = stage.endpoint("https://example.com/1", json!({"topics": ["order.*"]})).await;
    let theirs = stage.endpoint("https://example.com/2", json!({"tenant": "acme", "topics": []})).await;
    stage.verb(&format!("/v1/endpoints/{theirs}/pause")).await.expect(200);
    stage
        .post("/v1/messages", json!({"urls": ["https://example.com/3"], "payload": 1, "delay_seconds": 600}))
        .await
        .expect(202);
    for (query, expected) in [
        ("", vec![&theirs, &ours]),
        ("?tenant=acme", vec![&theirs]),
        ("?topic=order.created", vec![&ours]),
        ("?state=paused", vec![&theirs]),
        ("?state=disabled", vec![]),
    ] {
        let list = stage.get(&format!("/v1/endpoints{query}")).await.expect(200);
        let ids: Vec<String> = list["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let adhoc = stage.get("/v1/endpoints?adhoc=true").await.expect(200);
    assert_eq!((&adhoc["data"][0]["url"], &adhoc["data"][0]["adhoc"]), (&json!("https://example.com/3"), &json!(true)));
}

#[tokio::test]
async fn a_paused_endpoint_holds_what_it_gets_until_it_is_resumed() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let paused = stage.verb(&format!("/v1/endpoints/{endpoint}/pause")).await.expect(200);
    assert_eq!((&paused["state"], &paused["revision"]), (&json!("paused"), &json!(2)));
    let message = id(&stage.post("/v1/messages", json!({"topic": "order.created", "payload": 1})).await.expect(202));
    let list = format!("/v1/deliveries?message_id={message}");
    let waiting = stage.until(&list, |list| list["data"][0]["waiting_for"] == "endpoint_paused").await;
    assert_eq!(waiting["data"][0]["status"], "pending");
    assert!(receiver.received().is_empty());
    let with_body = [("content-type", "application/json")];
    let path = format!("/v1/endpoints/{endpoint}/resume");
    stage.send("POST", &path, &with_body, br#"{"now": true}"#).await.refused(422, "invalid", "/now");
    assert_eq!(stage.send("POST", &path, &with_body, b"{}").await.expect(200)["state"], "active");
    receiver.wait_for(1).await;
    stage.until(&list, |list| list["data"][0]["status"] == "succeeded").await;
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_new_one() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({"secret": "a text of our own"})).await;
    let path = format!("/v1/endpoints/{endpoint}/rotate-secret");
    let rotated = stage.post(&path, json!({"secret": "the next one", "overlap_seconds": 60})).await.expect(200);
    assert_eq!(
        (&rotated["secret"], &rotated["previous"][0]["secret"]),
        (&json!("the next one"), &json!("a text of our own"))
    );
    stage.post("/v1/messages", json!({"topic": "order.created", "payload": 1})).await.expect(202);
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("webhook-signature").split(' ').count(), 2);
    assert_eq!(stage.verb(&path).await.expect(200)["previous"][0]["secret"], "the next one");
    stage.post(&path, json!({"overlap_seconds": -1})).await.refused(422, "invalid", "/overlap_seconds");
    stage.post(&path, json!({"overlap": 1})).await.refused(422, "invalid", "/overlap");
}

#[tokio::test]
async fn a_test_answers_with_the_attempt_whatever_came_of_it() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook?a=b"), json!({"headers": {"authorization": "hush"}})).await;
    receiver.script([Answer::status(503).body("later")]);
    let attempt = stage.verb(&format!("/v1/endpoints/{endpoint}/test")).await.expect(200);
    assert_eq!(
        (&attempt["outcome"], &attempt["status_code"], &attempt["number"]),
        (&json!("rejected"), &json!(503), &json!(1))
    );
    assert_eq!(attempt["response"]["body"], "later");
    assert_eq!(
        (&attempt["request"]["method"], &attempt["request"]["url"]),
        (&json!("POST"), &json!(receiver.url("/hook?a=b")))
    );
    assert!(!attempt.to_string().contains("hush"), "{attempt}");
    stage.verb(&format!("/v1/endpoints/{endpoint}/pause")).await.expect(200);
    stage.verb(&format!("/v1/endpoints/{endpoint}/test")).await.refused(409, "endpoint_not_active", "-");
}

/// A verb that is meant for another revision than the present one does nothing.
#[tokio::test]
async fn every_verb_of_an_endpoint_heeds_if_match() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({"secret": "the first one"})).await;
    let path = format!("/v1/endpoints/{endpoint}");
    stage.patch(&path, json!({"name": "CRM"})).await.expect(200);
    let send = |verb: &'static str, tag: &'static str| {
        let (stage, path) = (&stage, format!("{path}/{verb}"));
        async move { stage.send("POST", &path, &[("if-match", tag)], b"").await }
    };
    for verb in ["pause", "resume", "test", "rotate-secret", "replay", "verify"] {
        for stale in ["\"1\"", "W/\"2\"", "\"never\""] {
            send(verb, stale).await.refused(412, "precondition_failed", "-");
        }
        send(verb, "2").await.refused(400, "invalid_header", "If-Match");
    }
    let unchanged = stage.get(&path).await.expect(200);
    assert_eq!((&unchanged["revision"], &unchanged["state"]), (&json!(2), &json!("active")));
    assert_eq!(stage.get(&format!("{path}/secret")).await.expect(200)["secret"], "the first one");
    assert_eq!(stage.get("/v1/replays").await.expect(200)["data"], json!([]));
    assert!(receiver.received().is_empty(), "nothing was sent");
    send("test", "\"2\"").await.expect(200);
    send("replay", "\"2\"").await.expect(202);
    assert_eq!(send("pause", "\"2\"").await.expect(200)["revision"], 3);
    // It is paused already, but the one who asks does not know that it was changed.
    send("pause", "\"2\"").await.refused(412, "precondition_failed", "-");
    assert_eq!(send("resume", "\"3\"").await.header("etag"), "\"4\"");
    send("rotate-secret", "\"4\"").await.expect(200);
    send("rotate-secret", "*").await.expect(200);
    assert_eq!(stage.get(&path).await.expect(200)["revision"], 6);
}

#[tokio::test]
async fn an_endpoints_numbers_tell_how_it_has_been_doing() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({"max_attempts": 1})).await;
    receiver.script([Answer::status(200), Answer::status(500).body("no")]);
    for _ in 0..2 {
        let message =
            id(&stage.post("/v1/messages", json!({"topic": "order.created", "payload": 1})).await.expect(202));
        stage
            .until(&format!("/v1/deliveries?message_id={message}"), |list| list["data"][0]["status"] != "pending")
            .await;
    }
    let stats = stage.get(&format!("/v1/endpoints/{endpoint}/stats?window_seconds=3600")).await.expect(200);
    assert_eq!(stats["window_seconds"], 3600.0);
    let counts = ["succeeded", "failed", "pending", "attempts"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 0, 2], "{stats}");
    assert_eq!(stats["success_rate"], 0.5);
    assert!(stats["duration_ms"]["p99"].as_f64().unwrap() > 0.0, "{stats}");
    assert!(stats["last_error"].is_string(), "{stats}");
    let quiet = stage.endpoint("https://example.com/quiet", json!({})).await;
    let quiet = stage.get(&format!("/v1/endpoints/{quiet}/stats")).await.expect(200);
    assert_eq!((&quiet["success_rate"], &quiet["duration_ms"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_pending_endpoint_is_verified_with_the_token_it_was_sent() {
    let receiver = Receiver::start().await;
    let stage = Stage::keyed().await;
    stage.topic("order.created").await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({"verification": "token"})).await;
    let path = format!("/v1/endpoints/{endpoint}");
    assert_eq!(stage.get(&path).await.expect(200)["state"], "pending_verification");
    let received = receiver.wait_for(1).await;
    let challenge: Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!((&challenge["type"], &challenge["endpoint_id"]), (&json!("posthaste.verification"), &json!(endpoint)));
    // Whoever has the token needs no key, and sees no settings.
    let verify = |body: Value| {
        let body = body.to_string();
        let path = format!("{path}/verify");
        let address = stage.address;
        async move {
            let headers = [("content-type", "application/json")];
            crate::client::send(address, "POST", &path, &headers, body.as_bytes()).await
        }
    };
    verify(json!({"token": "wrong"})).await.refused(422, "invalid", "/token");
    verify(json!({})).await.refused(401, "unauthenticated", "-");
    let verified = verify(json!({"token": challenge["token"]})).await.expect(200);
    assert_eq!(verified, json!({"id": endpoint, "url": receiver.url("/hook"), "state": "active"}));
    verify(json!({"token": challenge["token"]})).await.refused(422, "invalid", "/token");
}
