//! Keys: who may do what.

use serde_json::{Value, json};

use crate::client;
use crate::stage::{ADMIN_KEY, Stage, id};

async fn key(stage: &Stage, scope: &str) -> String {
    let made = stage.post("/v1/keys", json!({"name": scope, "scopes": [scope]})).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_good_key_nothing_is_told_but_how_to_give_one() {
    let stage = Stage::keyed().await;
    for authorization in [None, Some("Bearer ph_nobody"), Some("Basic eDp5"), Some("Bearer"), Some(ADMIN_KEY)] {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        for path in ["/v1/topics", "/v1/endpoints/x", "/metrics"] {
            let reply = client::send(stage.address, "GET", path, &headers, b"").await;
            reply.refused(401, "unauthenticated", "-");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    for path in ["/livez", "/readyz", "/openapi.json", "/docs"] {
        assert_eq!(client::send(stage.address, "GET", path, &[], b"").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_nothing_else() {
    let stage = Stage::keyed().await;
    stage.topic("order.created").await;
    let endpoint = stage.endpoint("https://example.com/hook", json!({})).await;
    let message = json!({"topic": "order.created", "payload": 1, "delay_seconds": 3600});
    let new_endpoint = json!({"url": "https://example.com/other", "topics": []});
    let calls: [(&str, String, Option<Value>, &[&str]); 9] = [
        ("GET", "/v1/topics".to_owned(), None, &["read", "admin"]),
        ("POST", "/v1/topics".to_owned(), Some(json!({"name": ""})), &["admin"]),
        ("GET", "/v1/keys".to_owned(), None, &["admin"]),
        ("POST", "/v1/messages".to_owned(), Some(message), &["publish", "admin"]),
        ("GET", "/v1/messages".to_owned(), None, &["read", "admin"]),
        ("POST", "/v1/endpoints".to_owned(), Some(new_endpoint), &["endpoints", "admin"]),
        ("GET", format!("/v1/endpoints/{endpoint}/secret"), None, &["endpoints", "admin"]),
        ("GET", format!("/v1/endpoints/{endpoint}"), None, &["read", "admin"]),
        ("GET", "/metrics".to_owned(), None, &["read", "admin"]),
    ];
    for scope in ["read", "publish", "endpoints", "admin"] {
        let key = key(&stage, scope).await;
        for (method, path, body, allowed) in &calls {
            let reply = stage.send_as(&key, method, path, body.clone()).await;
            if allowed.contains(&scope) {
                assert_ne!(reply.status, 403, "{scope}: {method} {path}: {reply:?}");
                assert_ne!(reply.status, 401, "{scope}: {method} {path}: {reply:?}");
            } else {
                reply.refused(403, "forbidden", "-");
            }
        }
    }
}

#[tokio::test]
async fn a_keys_text_is_shown_once_and_ends_with_the_key() {
    let stage = Stage::keyed().await;
    let made = stage.post("/v1/keys", json!({"name": "ci", "scopes": ["read", "read"], "tenant": "acme"})).await;
    let document = made.expect(201);
    assert_eq!(made.header("location"), format!("/v1/keys/{}", id(&document)));
    assert_eq!(made.header("cache-control"), "no-store");
    assert_eq!((&document["scopes"], &document["tenant"]), (&json!(["read"]), &json!("acme")));
    let text = document["key"].as_str().unwrap();
    stage.send_as(text, "GET", "/v1/topics", None).await.expect(200);
    let list = stage.get("/v1/keys").await;
    assert!(!String::from_utf8_lossy(&list.body).contains(text));
    assert_eq!(list.expect(200)["data"][0]["name"], "ci");
    stage.delete(&format!("/v1/keys/{}", id(&document))).await.expect(204);
    stage.send_as(text, "GET", "/v1/topics", None).await.refused(401, "unauthenticated", "-");
}
