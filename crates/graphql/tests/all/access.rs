//! Who may, and what is no request.

use serde_json::json;

use crate::client;
use crate::stage::{ADMIN_KEY, Stage, text};

#[tokio::test]
async fn without_a_key_nothing_is_answered() {
    let stage = Stage::keyed().await;
    for key in [None, Some("ph_wrong")] {
        let reply = stage.ask_as(key, "{ topics { nextCursor } }", json!({})).await;
        let error = reply.refused("unauthenticated");
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"));
        assert_eq!(error["extensions"]["status"], 401);
    }
}

#[tokio::test]
async fn a_key_does_what_its_scopes_allow_for_its_tenant_alone() {
    let stage = Stage::keyed().await;
    let create = "mutation($input: KeyInput!) { createKey(input: $input) { text } }";
    let input = json!({"name": "acme's", "scopes": ["PUBLISH", "READ"], "tenant": "acme"});
    let key = text(&stage.ask(create, json!({"input": input})).await.data()["createKey"]["text"]);
    stage.topic("a").await;
    let other = stage.publish("a", json!(1)).await;
    let ask = async |query: &str| stage.ask_as(Some(&key), query, json!({"id": other})).await;
    let mine = ask("mutation { publish(input: {topic: \"a\", payload: 2}) { tenant } }").await;
    assert_eq!(mine.data()["publish"]["tenant"], "acme");
    let refused = ask("mutation { deleteTopic(name: \"a\") }").await.refused("forbidden");
    assert_eq!((&refused["extensions"]["status"], &refused["path"]), (&json!(403), &json!(["deleteTopic"])));
    ask("query($id: ID!) { message(id: $id) { id } }").await.refused("not_found");
    ask("{ messages(tenant: \"default\") { nextCursor } }").await.refused("forbidden");
    assert_eq!(ask("{ messages { data { tenant } } }").await.data()["messages"]["data"], json!([{"tenant": "acme"}]));
    let both = ask("query($id: ID!) { topic(name: \"a\") { name } message(id: $id) { id } }").await;
    assert_eq!(both.status, 200, "what an operation asks for together may fail in part");
    both.refused("not_found");
    assert_eq!(both.json()["data"], json!({"topic": {"name": "a"}, "message": null}));
    let nested = "{ messages { data { id deliveries(limit: 0) { nextCursor } } } }";
    let nested = ask(nested).await.json();
    let (data, path) = (&nested["data"]["messages"]["data"][0], &nested["errors"][0]["path"]);
    assert_eq!(path, &json!(["messages", "data", 0, "deliveries"]));
    assert!(data["id"].is_string() && data.get("deliveries") == Some(&json!(null)), "{nested}");
}

#[tokio::test]
async fn a_page_of_another_site_may_not_use_a_server_without_keys() {
    let stage = Stage::open().await;
    let headers = [("content-type", "application/json"), ("origin", "https://evil.example")];
    let body = br#"{"query": "{ topics { nextCursor } }"}"#;
    let reply = client::send(stage.address, "POST", "/graphql", &headers, body).await;
    reply.refused("forbidden");
    assert_eq!(reply.status, 403);
    let unasked = [("content-type", "text/plain")];
    let reply = client::send(stage.address, "POST", "/graphql", &unasked, body).await;
    reply.refused("unsupported_media_type");
    assert_eq!(reply.status, 415);
}

#[tokio::test]
async fn errors_carry_the_request_and_what_is_no_operation_is_refused() {
    let stage = Stage::keyed().await;
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers =
        [("content-type", "application/json"), ("authorization", bearer.as_str()), ("x-request-id", "mine-1")];
    for (body, status, code) in [
        (&b"no json"[..], 400, "malformed_json"),
        (br#"[{"query": "{ topics { nextCursor } }"}]"#, 400, "invalid_query"),
        (br#"{"query": "{ colour }"}"#, 200, "invalid_query"),
        (br#"{"query": "{ topic(name: \"x\") { name } }"}"#, 200, "not_found"),
    ] {
        let reply = client::send(stage.address, "POST", "/graphql", &headers, body).await;
        assert_eq!(reply.status, status, "{}", reply.json());
        assert_eq!(reply.refused(code)["extensions"]["request_id"], "mine-1");
    }
}
