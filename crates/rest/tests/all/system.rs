//! What people and machines ask about the whole.

use serde_json::json;

use crate::stage::{Stage, with_receiver};

#[tokio::test]
async fn the_numbers_tell_of_what_is_owed_and_who_works() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let body = json!({"topic": "order.created", "payload": 1, "delay_seconds": 3600});
    stage.post("/v1/messages", body).await.expect(202);
    let stats = stage.until("/v1/stats", |stats| stats["waiting"] == 1).await;
    assert_eq!((&stats["endpoints"], &stats["failed"]), (&json!(1), &json!(0)));
    assert!(stats["oldest_pending_at"].is_string(), "{stats}");
    let node = &stats["nodes"][0];
    assert!(node["id"].as_str().unwrap().starts_with("node_") && node["heartbeat_at"].is_string(), "{stats}");
    assert!(node["roles"].as_array().unwrap().contains(&json!("dispatch")), "{stats}");
    let stats = stage.until("/v1/stats", |stats| stats["nodes"][0]["leader"] == true).await;
    let server = &stats["server"];
    assert_eq!(
        (&server["seals_secrets"], &server["allowed_networks"][0]),
        (&json!(false), &json!("127.0.0.0/8")),
        "{stats}"
    );
    let metrics = stage.get("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("posthaste_messages_accepted_total 1"), "{metrics:?}");
}

#[tokio::test]
async fn tenants_are_those_that_own_anything() {
    let stage = Stage::keyed().await;
    for tenant in ["b", "a", "c"] {
        stage.endpoint("https://example.com/hook", json!({"tenant": tenant, "topics": []})).await;
    }
    let names = |page: &serde_json::Value| {
        page["data"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    let first = stage.get("/v1/tenants?limit=2").await.expect(200);
    assert_eq!((names(&first), &first["next_cursor"]), (vec![json!("a"), json!("b")], &json!("b")));
    let second = stage.get("/v1/tenants?limit=2&cursor=b").await.expect(200);
    assert_eq!((names(&second), &second["next_cursor"]), (vec![json!("c")], &json!(null)));
    stage.get("/v1/tenants?limit=0").await.refused(400, "invalid_parameter", "limit");
    let made = stage.post("/v1/keys", json!({"name": "b", "scopes": ["read"], "tenant": "b"})).await.expect(201);
    let own = stage.send_as(made["key"].as_str().unwrap(), "GET", "/v1/tenants", None).await.expect(200);
    assert_eq!(names(&own), [json!("b")], "another's names are nobody's business");
}

#[tokio::test]
async fn the_description_and_its_page_come_from_the_server_itself() {
    let stage = Stage::open().await;
    let description = stage.get("/openapi.json").await.expect(200);
    assert_eq!(description, serde_json::from_str::<serde_json::Value>(&posthaste_rest::openapi_document()).unwrap());
    let page = stage.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    for part in ["/docs/docs.js", "/docs/docs.css"] {
        assert!(String::from_utf8_lossy(&page.body).contains(part));
        assert_eq!(stage.get(part).await.status, 200, "{part}");
    }
}
