//! Topics.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test]
async fn a_topic_is_created_read_changed_and_removed() {
    let stage = Stage::open().await;
    let example = json!({"id": 1, "deep": [1.50, null]});
    let body = json!({"name": "order.created", "title": "An order", "description": "It came in.", "example": example});
    let created = stage.post("/v1/topics", body).await;
    let document = created.expect(201);
    assert_eq!(created.header("location"), "/v1/topics/order.created");
    assert_eq!(
        (&document["tenant"], &document["title"], &document["example"]),
        (&Value::Null, &json!("An order"), &example)
    );
    assert_eq!(stage.get("/v1/topics/order.created").await.expect(200), document);
    let patched =
        stage.patch("/v1/topics/order.created", json!({"title": null, "description": "New."})).await.expect(200);
    assert_eq!((&patched["title"], &patched["description"]), (&Value::Null, &json!("New.")));
    assert_eq!(patched["example"], example);
    stage.patch("/v1/topics/order.created", json!({"name": "other"})).await.refused(422, "invalid", "/name");
    stage.delete("/v1/topics/order.created").await.expect(204);
    stage.get("/v1/topics/order.created").await.refused(404, "not_found", "-");
}

#[tokio::test]
async fn a_name_is_there_once_in_the_catalogue_and_once_per_tenant() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    stage.post("/v1/topics", json!({"name": "a"})).await.refused(409, "topic_exists", "-");
    let own = stage.post("/v1/topics", json!({"name": "a", "tenant": "acme", "title": "Acme's"})).await;
    own.expect(201);
    assert_eq!(own.header("location"), "/v1/topics/a?tenant=acme");
    assert_eq!(stage.get("/v1/topics/a?tenant=acme").await.expect(200)["title"], "Acme's");
    assert_eq!(stage.get("/v1/topics/a").await.expect(200)["tenant"], Value::Null);
    stage.delete("/v1/topics/a?tenant=acme").await.expect(204);
    assert_eq!(stage.get("/v1/topics/a?tenant=acme").await.expect(200)["tenant"], Value::Null);
}

#[tokio::test]
async fn a_topic_that_endpoints_name_goes_only_by_force() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    stage.endpoint("https://example.com/hook", json!({"topics": ["a"]})).await;
    stage.delete("/v1/topics/a").await.refused(409, "topic_in_use", "-");
    stage.delete("/v1/topics/a?force=true").await.expect(204);
}
