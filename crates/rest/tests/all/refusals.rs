//! One table of everything that is refused, with the status, the code, and the place that is named.

use serde_json::json;

use crate::client::Reply;
use crate::stage::{Stage, id};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends a text as JSON.
async fn sent(stage: &Stage, method: &str, path: &str, body: &str) -> Reply {
    stage.send(method, path, &[JSON], body.as_bytes()).await
}

#[tokio::test]
async fn what_is_not_json_or_not_of_the_right_shape_is_refused_by_its_place() {
    let stage = Stage::open().await;
    let cases = [
        ("/v1/topics", "", 400, "malformed_json", "-"),
        ("/v1/topics", "{", 400, "malformed_json", "-"),
        ("/v1/topics", "{\"name\": \"a\"} x", 400, "malformed_json", "-"),
        ("/v1/topics", "[]", 422, "invalid", ""),
        ("/v1/topics", "null", 422, "invalid", ""),
        ("/v1/topics", "{}", 422, "invalid", "/name"),
        ("/v1/topics", "{\"name\": 5}", 422, "invalid", "/name"),
        ("/v1/topics", "{\"name\": \"a b\"}", 422, "invalid", "/name"),
        ("/v1/topics", "{\"name\": \"..\"}", 422, "invalid", "/name"),
        ("/v1/topics", "{\"name\": \"posthaste.x\"}", 422, "invalid", "/name"),
        ("/v1/topics", "{\"name\": \"a\", \"colour\": 1}", 422, "invalid", "/colour"),
        ("/v1/keys", "{\"name\": \"a\", \"scopes\": [\"own\"]}", 422, "invalid", "/scopes/0"),
        ("/v1/keys", "{\"name\": \"a\", \"scopes\": []}", 422, "invalid", "/scopes"),
        ("/v1/messages", "{\"topic\": ", 400, "malformed_json", "-"),
        ("/v1/messages", "[\"a\"]", 422, "invalid", ""),
        ("/v1/messages/batch", "{\"messages\": {}}", 422, "invalid", "/messages"),
        ("/v1/messages/batch", "{\"messages\": []}", 422, "invalid", "/messages"),
        ("/v1/messages/batch", "{}", 422, "invalid", "/messages"),
    ];
    for (path, body, status, code, place) in cases {
        sent(&stage, "POST", path, body).await.refused(status, code, place);
    }
    let reply = sent(&stage, "POST", "/v1/topics", "{\"name\": \"a\",\n  oops}").await;
    reply.refused(400, "malformed_json", "-");
    assert!(reply.json()["detail"].as_str().unwrap().contains("line 2 column 3"), "{reply:?}");
}

#[tokio::test]
async fn an_endpoint_that_breaks_a_rule_is_refused_by_the_member() {
    let stage = Stage::open().await;
    let url = "https://example.com/hook";
    let cases = [
        (json!({"topics": []}), "/url"),
        (json!({"url": url}), "/topics"),
        (json!({"url": url, "topics": ["nobody.knows"]}), "/topics/0"),
        (json!({"url": url, "topics": ["a b"]}), "/topics/0"),
        (json!({"url": "not a url", "topics": []}), "/url"),
        (json!({"url": "ftp://example.com/", "topics": []}), "/url"),
        (json!({"url": "https://user@example.com/", "topics": []}), "/url"),
        (json!({"url": "http://169.254.169.254/latest", "topics": []}), "/url"),
        (json!({"url": "http://0xa9fea9fe/", "topics": []}), "/url"),
        (json!({"url": "http://[::ffff:10.0.0.1]/", "topics": []}), "/url"),
        (json!({"url": url, "topics": [], "timeout_seconds": 0}), "/timeout_seconds"),
        (json!({"url": url, "topics": [], "timeout_seconds": "20"}), "/timeout_seconds"),
        (json!({"url": url, "topics": [], "max_in_flight": 4097}), "/max_in_flight"),
        (json!({"url": url, "topics": [], "retry": {"jitter": 2}}), "/retry/jitter"),
        (json!({"url": url, "topics": [], "retry": {"colour": 2}}), "/retry/colour"),
        (json!({"url": url, "topics": [], "success_codes": []}), "/success_codes"),
        (json!({"url": url, "topics": [], "headers": {"host": "x"}}), "/headers/host"),
        (json!({"url": url, "topics": [], "headers": {"webhook-id": "x"}}), "/headers/webhook-id"),
        (json!({"url": url, "topics": [], "secret": ""}), "/secret"),
        (json!({"url": url, "topics": [], "tenant": "two words"}), "/tenant"),
        (json!({"url": url, "topics": [], "state": "active"}), "/state"),
        (json!({"url": url, "topics": [], "filter": {"payload.a": {"$near": 1}}}), "/filter/payload.a/$near"),
        (json!({"url": url, "topics": [], "colour": "red"}), "/colour"),
    ];
    for (body, place) in cases {
        stage.post("/v1/endpoints", body).await.refused(422, "invalid", place);
    }
}

#[tokio::test]
async fn a_message_that_breaks_a_rule_is_refused_by_the_member() {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    let cases = [
        (json!({"topic": "order.created"}), "/payload"),
        (json!({"payload": 1}), "/topic"),
        (json!({"topic": "nobody.knows", "payload": 1}), "/topic"),
        (json!({"topic": "a b", "payload": 1}), "/topic"),
        (json!({"topic": 7, "payload": 1}), "/topic"),
        (json!({"topic": "order.created", "payload": 1, "payload_text": "x"}), "/payload"),
        (json!({"topic": "order.created", "payload_base64": "?"}), "/payload_base64"),
        (json!({"topic": "order.created", "payload": 1, "deliver_at": "tomorrow"}), "/deliver_at"),
        (json!({"topic": "order.created", "payload": 1, "delay_seconds": -1}), "/delay_seconds"),
        (json!({"topic": "order.created", "payload": 1, "delay_seconds": 40_000_000}), "/delay_seconds"),
        (json!({"topic": "order.created", "payload": 1, "headers": {"webhook-id": "x"}}), "/headers/webhook-id"),
        (json!({"topic": "order.created", "payload": 1, "headers": {"a": 1}}), "/headers/a"),
        (json!({"topic": "order.created", "payload": 1, "metadata": {"a": "x".repeat(5_000)}}), "/metadata"),
        (json!({"topic": "order.created", "payload": 1, "content_type": "nonsense"}), "/content_type"),
        (json!({"topic": "order.created", "payload": 1, "uid": ""}), "/uid"),
        (json!({"endpoint_ids": ["ep_nobody"], "payload": 1}), "/endpoint_ids/0"),
        (json!({"endpoint_ids": [], "payload": 1}), "/endpoint_ids"),
        (json!({"urls": ["http://10.1.2.3/"], "payload": 1}), "/urls/0"),
        (json!({"urls": ["https://example.com"], "endpoint_ids": ["ep_x"], "payload": 1}), "/urls"),
        (json!({"topic": "order.created", "payload": 1, "colour": "red"}), "/colour"),
    ];
    for (body, place) in cases {
        let reply = stage.post("/v1/messages", body.clone()).await;
        assert_eq!(reply.status, 422, "{body}: {reply:?}");
        reply.refused(422, "invalid", place);
    }
    // Text is UTF-8: these bytes are not, in a payload, in a name, and in a text of its own.
    let bad: [&[u8]; 3] = [
        b"{\"topic\": \"order.created\", \"payload\": \"\xff\"}",
        b"{\"topic\": \"\xc3\x28\", \"payload\": 1}",
        b"{\"topic\": \"order.created\", \"payload_text\": \"\xe2\x82\"}",
    ];
    for body in bad {
        stage.send("POST", "/v1/messages", &[JSON], body).await.refused(400, "malformed_json", "-");
    }
    let payload = format!("{{\"topic\": \"order.created\", \"payload\": \"{}\"}}", "x".repeat(1 << 20));
    sent(&stage, "POST", "/v1/messages", &payload).await.refused(413, "too_large", "-");
}

#[tokio::test]
async fn unknown_repeated_and_malformed_parameters_are_refused_by_name() {
    let stage = Stage::open().await;
    let cases = [
        ("GET", "/v1/topics?colour=red", "colour"),
        ("GET", "/v1/topics?limit=1&limit=2", "limit"),
        ("GET", "/v1/topics?limit=0", "limit"),
        ("GET", "/v1/topics?limit=251", "limit"),
        ("GET", "/v1/topics?cursor=nonsense", "cursor"),
        ("GET", "/v1/topics?tenant=two%20words", "tenant"),
        ("GET", "/v1/topics?tenant=%ff", "tenant"),
        ("GET", "/v1/topics/a?limit=1", "limit"),
        ("GET", "/v1/endpoints?state=lost", "state"),
        ("GET", "/v1/endpoints?adhoc=yes", "adhoc"),
        ("GET", "/v1/endpoints?metadata.a=b", "metadata.a"),
        ("GET", "/v1/deliveries?status=lost", "status"),
        ("GET", "/v1/deliveries?endpoint_id=msg_x", "endpoint_id"),
        ("GET", "/v1/deliveries?since=yesterday", "since"),
        ("GET", "/v1/messages?rejected=perhaps", "rejected"),
        ("GET", "/v1/keys?scope=admin", "scope"),
        ("POST", "/v1/messages?topic=a", "topic"),
        ("POST", "/v1/keys?name=a", "name"),
        ("DELETE", "/v1/topics/a?force=1", "force"),
        ("GET", "/v1/endpoints/x/stats?window_seconds=-1", "window_seconds"),
    ];
    for (method, path, place) in cases {
        let reply = sent(&stage, method, path, if method == "POST" { "{}" } else { "" }).await;
        assert_eq!(reply.status, 400, "{method} {path}: {reply:?}");
        reply.refused(400, "invalid_parameter", place);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_whatever_is_asked_of_it() {
    let stage = Stage::open().await;
    let unknown = "ep_01h455vb4pex5vsknk084sn02q";
    let paths = [
        ("GET", "/".to_owned()),
        ("GET", "/v1".to_owned()),
        ("GET", "/v1/colours".to_owned()),
        ("GET", "/v1/topics/nobody".to_owned()),
        ("GET", "/v1/topics/a%20b".to_owned()),
        ("GET", "/v1/topics/%ff".to_owned()),
        ("DELETE", "/v1/topics/nobody".to_owned()),
        ("GET", format!("/v1/endpoints/{unknown}")),
        ("GET", "/v1/endpoints/uid:nobody".to_owned()),
        ("GET", "/v1/endpoints/msg_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("POST", format!("/v1/endpoints/{unknown}/pause")),
        ("POST", format!("/v1/endpoints/{unknown}/test")),
        ("GET", format!("/v1/endpoints/{unknown}/secret")),
        ("GET", format!("/v1/endpoints/{unknown}/stats")),
        ("DELETE", format!("/v1/endpoints/{unknown}")),
        ("GET", "/v1/messages/msg_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("DELETE", "/v1/messages/uid:nobody".to_owned()),
        ("GET", "/v1/deliveries/dlv_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("POST", "/v1/deliveries/nonsense/retry".to_owned()),
        ("GET", "/v1/deliveries/nonsense/attempts".to_owned()),
        ("GET", "/v1/attempts/att_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("DELETE", "/v1/keys/key_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("GET", "/v1/replays/rpl_01h455vb4pex5vsknk084sn02q".to_owned()),
    ];
    for (method, path) in paths {
        let reply = stage.send(method, &path, &[], b"").await;
        assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
        reply.refused(404, "not_found", "-");
    }
}

#[tokio::test]
async fn another_tenants_things_are_not_there() {
    let stage = Stage::keyed().await;
    stage.topic("order.created").await;
    let key = |tenant: &str| json!({"name": tenant, "scopes": ["read", "publish", "endpoints"], "tenant": tenant});
    let ours = stage.post("/v1/keys", key("ours")).await.expect(201)["key"].as_str().unwrap().to_owned();
    let body = json!({"url": "https://example.com/x", "topics": ["order.created"], "tenant": "theirs", "uid": "one"});
    let endpoint = id(&stage.post("/v1/endpoints", body).await.expect(201));
    let body = json!({"topic": "order.created", "payload": 1, "tenant": "theirs", "uid": "m", "delay_seconds": 3600});
    let message = id(&stage.post("/v1/messages", body).await.expect(202));
    let list = stage.get(&format!("/v1/deliveries?message_id={message}")).await.expect(200);
    let delivery = id(&list["data"][0]);
    for (method, path) in [
        ("GET", format!("/v1/endpoints/{endpoint}")),
        ("GET", "/v1/endpoints/uid:one".to_owned()),
        ("GET", format!("/v1/endpoints/{endpoint}/secret")),
        ("POST", format!("/v1/endpoints/{endpoint}/pause")),
        ("DELETE", format!("/v1/endpoints/{endpoint}")),
        ("GET", format!("/v1/messages/{message}")),
        ("GET", "/v1/messages/uid:m".to_owned()),
        ("DELETE", format!("/v1/messages/{message}")),
        ("GET", format!("/v1/deliveries/{delivery}")),
        ("POST", format!("/v1/deliveries/{delivery}/cancel")),
        ("GET", format!("/v1/deliveries/{delivery}/attempts")),
    ] {
        let reply = stage.send_as(&ours, method, &path, None).await;
        assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
    }
    for path in ["/v1/endpoints", "/v1/messages", "/v1/deliveries"] {
        let list = stage.send_as(&ours, "GET", path, None).await.expect(200);
        assert_eq!(list["data"], json!([]), "{path}");
        let named = stage.send_as(&ours, "GET", &format!("{path}?tenant=theirs"), None).await;
        named.refused(403, "forbidden", "-");
    }
    let named = json!({"topic": "order.created", "payload": 1, "tenant": "theirs"});
    stage.send_as(&ours, "POST", "/v1/messages", Some(named)).await.refused(403, "forbidden", "-");
    let addressed = json!({"endpoint_ids": [endpoint], "payload": 1});
    stage.send_as(&ours, "POST", "/v1/messages", Some(addressed)).await.refused(422, "invalid", "/endpoint_ids/0");
}

#[tokio::test]
async fn a_server_that_stops_says_when_to_try_again() {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    stage.engine.stop(std::time::Duration::from_secs(5)).await;
    let message = json!({"topic": "order.created", "payload": 1});
    let reply = stage.post("/v1/messages", message.clone()).await;
    reply.refused(503, "busy", "-");
    assert_eq!(reply.header("retry-after"), "1");
    let batch = stage.post("/v1/messages/batch", json!({"messages": [message]})).await.expect(202);
    assert_eq!(batch["results"][0]["error"]["code"], "busy");
    stage.get("/readyz").await.refused(503, "unavailable", "-");
    assert_eq!(stage.get("/livez").await.status, 200);
}
