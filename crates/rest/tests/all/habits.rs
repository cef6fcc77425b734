//! What holds for every resource: ids of requests, methods, media types, ETags, pages, bodies that are too long.

use serde_json::json;

use crate::client::{self, raw};
use crate::stage::{Stage, id};

#[tokio::test]
async fn every_answer_carries_the_requests_id() {
    let stage = Stage::open().await;
    let kept = stage.send("GET", "/v1/topics", &[("x-request-id", "mine-1")], b"").await;
    assert_eq!(kept.header("x-request-id"), "mine-1");
    let refused = stage.send("GET", "/nowhere", &[("x-request-id", "mine-2")], b"").await;
    refused.refused(404, "not_found", "-");
    assert_eq!(refused.json()["request_id"], "mine-2");
    let made = [stage.get("/v1/topics").await, stage.get("/v1/topics").await];
    let [one, other] = made.map(|reply| reply.header("x-request-id").to_owned());
    assert!(one.starts_with("req_") && one != other, "{one} {other}");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let stage = Stage::open().await;
    for (method, path, allow) in [
        ("PUT", "/v1/topics", "POST,GET,HEAD"),
        ("POST", "/v1/topics/a", "GET,HEAD,PATCH,DELETE"),
        ("GET", "/v1/messages/batch", "POST"),
        ("DELETE", "/metrics", "GET,HEAD"),
    ] {
        let reply = stage.send(method, path, &[], b"").await;
        assert_eq!(sorted(reply.header("allow")), sorted(allow), "{method} {path}");
        // `/v1/messages/batch` is also an id that no message has, as far as a GET is concerned.
        reply.refused(405, "method_not_allowed", "-");
    }
    let options = stage.send("OPTIONS", "/v1/topics", &[], b"").await;
    assert_eq!((options.status, sorted(options.header("allow"))), (204, sorted("POST,GET,HEAD")));
}

fn sorted(list: &str) -> Vec<&str> {
    let mut words: Vec<&str> = list.split(',').map(str::trim).collect();
    words.sort_unstable();
    words
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let stage = Stage::open().await;
    stage.topic("order.created").await;
    let get = stage.get("/v1/topics/order.created").await;
    let head = stage.send("HEAD", "/v1/topics/order.created", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length", "etag"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[tokio::test]
async fn only_json_is_read_and_only_uncompressed() {
    let stage = Stage::open().await;
    let body = br#"{"name": "a"}"#;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json; charset=latin1")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        stage.send("POST", "/v1/topics", headers, body).await.refused(415, "unsupported_media_type", "-");
    }
    let good = [("content-type", "application/json; charset=UTF-8")];
    stage.send("POST", "/v1/topics", &good, body).await.expect(201);
}

#[tokio::test]
async fn a_change_can_be_bound_to_what_was_read() {
    let stage = Stage::open().await;
    let topic = stage.post("/v1/topics", json!({"name": "a"})).await;
    assert_eq!(topic.header("etag"), "\"1\"");
    let patch = [("content-type", "application/merge-patch+json"), ("if-match", "\"1\"")];
    let changed = stage.send("PATCH", "/v1/topics/a", &patch, br#"{"title": "A"}"#).await;
    changed.expect(200);
    assert_eq!(changed.header("etag"), "\"2\"");
    stage.send("PATCH", "/v1/topics/a", &patch, b"{}").await.refused(412, "precondition_failed", "-");
    stage.send("DELETE", "/v1/topics/a", &[("if-match", "\"1\"")], b"").await.refused(412, "precondition_failed", "-");
    stage.send("DELETE", "/v1/topics/a", &[("if-match", "2")], b"").await.refused(400, "invalid_header", "If-Match");
    stage.send("DELETE", "/v1/topics/a", &[("if-match", "\"2\"")], b"").await.expect(204);
}

#[tokio::test]
async fn a_reader_that_has_it_already_is_told_so() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let message = id(&stage.post("/v1/messages", json!({"topic": "a", "payload": 1})).await.expect(202));
    for path in ["/v1/topics/a".to_owned(), format!("/v1/messages/{message}")] {
        let tag = stage.get(&path).await.header("etag").to_owned();
        let again = stage.send("GET", &path, &[("if-none-match", &tag)], b"").await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag.as_str()), "{path}");
        let other = stage.send("GET", &path, &[("if-none-match", "\"x\"")], b"").await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_while_rows_arrive_and_cursors_fit_only_their_list() {
    let stage = Stage::open().await;
    for name in ["a", "b", "c", "d", "e"] {
        stage.topic(name).await;
    }
    let names = |list: &serde_json::Value| {
        let names = list["data"].as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // Two of one millisecond may stand either way; but then they always do.
    let whole = names(&stage.get("/v1/topics").await.expect(200));
    let first = stage.get("/v1/topics?limit=2").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    stage.topic("late").await;
    let second = stage.get(&format!("/v1/topics?limit=2&cursor={cursor}")).await.expect(200);
    let next = second["next_cursor"].as_str().unwrap();
    let third = stage.get(&format!("/v1/topics?limit=2&cursor={next}")).await.expect(200);
    let all = [names(&first), names(&second), names(&third)].concat();
    assert_eq!(all, whole);
    assert_eq!(all.len(), 5);
    assert_eq!(third["next_cursor"], serde_json::Value::Null);
    for other in ["/v1/endpoints?", "/v1/topics?tenant=default&"] {
        stage.get(&format!("{other}cursor={cursor}")).await.refused(400, "invalid_parameter", "cursor");
    }
}

#[tokio::test]
async fn a_client_that_is_still_sending_too_much_can_read_the_refusal() {
    let stage = Stage::open().await;
    let size = 20 << 20;
    // More than any socket's buffers hold: the client cannot read before the server has read on.
    let announced = stage.send("POST", "/v1/topics", &[("content-type", "application/json")], &vec![b' '; size]).await;
    announced.refused(413, "too_large", "-");
    // The same without a length in advance.
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n",
        stage.address
    );
    let mut request = head.into_bytes();
    for _ in 0..20 {
        request.extend_from_slice(b"100000\r\n");
        request.resize(request.len() + (1 << 20), b' ');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    raw(stage.address, &request).await.refused(413, "too_large", "-");
    // And refused before anything of the body is looked at.
    let nowhere = stage.send("POST", "/nowhere", &[("content-type", "application/json")], &vec![b' '; size]).await;
    nowhere.refused(404, "not_found", "-");
}

#[tokio::test]
async fn a_server_without_keys_answers_only_its_own_machine() {
    let stage = Stage::open().await;
    let local = format!("localhost:{}", stage.address.port());
    for (headers, served) in [
        (vec![("host", local.as_str())], true),
        (vec![("host", "evil.example")], false),
        (vec![("origin", "https://evil.example")], false),
        (vec![("sec-fetch-site", "cross-site")], false),
    ] {
        let reply = client::send(stage.address, "GET", "/v1/topics", &headers, b"").await;
        if served { assert_eq!(reply.status, 200) } else { reply.refused(403, "forbidden", "-") }
    }
}
