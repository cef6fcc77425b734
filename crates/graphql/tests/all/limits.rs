//! How much one operation may ask for.

use serde_json::json;

use crate::stage::Stage;

/// The same field so often, each time under another name.
fn aliased(count: usize, field: &str) -> String {
    (0..count).map(|number| format!("f{number}: {field}")).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_query_that_is_too_deep_or_too_costly_is_refused_with_the_limit() {
    let stage = Stage::open().await;
    let deep = format!(
        "{{ deliveries(limit: 1) {{ data {{ {}id{} }} }} }}",
        "message { deliveries(limit: 1) { data { ".repeat(4),
        " } } }".repeat(4)
    );
    let refused = stage.ask(&deep, json!({})).await.refused("too_deep");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("at most 12")), "{refused}");
    let wide = "{ messages(limit: 250) { data { deliveries(limit: 250) { data { id } } } } }";
    let refused = stage.ask(wide, json!({})).await.refused("too_complex");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("20000")), "{refused}");
    let aliases = aliased(41, "publishBatch(messages: []) { error { code } }");
    stage.ask(&format!("mutation {{ {aliases} }}"), json!({})).await.refused("too_complex");
    stage.data("{ messages { data { id deliveries { data { status endpoint { url } attempts(limit: 1) { data { outcome } } } } } } }").await;
}

#[tokio::test]
async fn the_relations_of_a_list_are_read_within_a_bound() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let batch = "mutation($messages: [MessageInput!]!) { publishBatch(messages: $messages) { receipt { id } } }";
    let messages: Vec<_> = (0..101).map(|n| json!({"topic": "a", "payload": n})).collect();
    stage.ask(batch, json!({"messages": messages})).await.data();
    // Relations are read for all items at once, whatever their number; what is worked out for each is a read for each.
    let relations = aliased(20, "deliveries(limit: 1) { nextCursor }");
    stage.data(&format!("{{ messages(limit: 100) {{ data {{ {relations} }} }} }}")).await;
    let receiver = "http://127.0.0.1:9/";
    for _ in 0..51 {
        stage.endpoint(receiver, json!({"topics": []})).await;
    }
    let query = |count: usize| {
        let each = aliased(count, "stats { pending }");
        format!("{{ endpoints(limit: 50) {{ data {{ {each} }} }} }}")
    };
    stage.data(&query(10)).await;
    let refused = stage.ask(&query(11), json!({})).await.refused("too_large");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("500 reads")), "{refused}");
}

#[tokio::test]
async fn the_schema_can_be_asked_for() {
    let stage = Stage::open().await;
    let read = stage.data("{ __schema { queryType { name } } __type(name: \"Delivery\") { description } }").await;
    assert_eq!(read["__schema"]["queryType"]["name"], "Query");
    assert_eq!(read["__type"]["description"], "One message owed to one endpoint.");
}
