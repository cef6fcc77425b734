//! Relations cost a constant number of store calls, however long the list is.

use std::collections::BTreeMap;

use posthaste_testkit::{Answer, Receiver};
use serde_json::{Value, json};

use crate::stage::Stage;

type Calls = BTreeMap<&'static str, usize>;

/// A stage with so many messages, each of which has one delivery that failed at `/a` once and then succeeded, and one
/// that succeeded at `/b`.
async fn with_messages(count: usize) -> (Stage, Receiver) {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("t").await;
    receiver.answer(Answer::status(200).body("thanks"));
    let letters = stage.endpoint(&receiver.url("/letters"), json!({"topics": []})).await;
    for path in ["/a", "/b"] {
        stage.endpoint(&receiver.url(path), json!({"deadLetterEndpointId": letters})).await;
    }
    let batch = "mutation($messages: [MessageInput!]!) { publishBatch(messages: $messages) { receipt { id } } }";
    let messages: Vec<_> = (0..count).map(|n| json!({"topic": "t", "payload": {"n": n}})).collect();
    stage.ask(batch, json!({"messages": messages})).await.data();
    let all = "{ deliveries(limit: 250) { data { status } } }";
    stage
        .until(all, json!({}), |data| {
            let deliveries = data["deliveries"]["data"].as_array().unwrap();
            deliveries.len() == 2 * count && deliveries.iter().all(|delivery| delivery["status"] == "SUCCEEDED")
        })
        .await;
    stage.store.take_reads();
    (stage, receiver)
}

/// What a query answers, and what it asked the store for.
async fn counted(stage: &Stage, query: &str) -> (Value, Calls) {
    stage.store.take_reads();
    let data = stage.data(query).await;
    (data, stage.store.take_reads())
}

fn calls<const N: usize>(expected: [(&'static str, usize); N]) -> Calls {
    expected.into_iter().collect()
}

#[tokio::test]
async fn fifty_deliveries_with_message_endpoint_and_attempts_are_a_handful_of_store_calls() {
    let (stage, _receiver) = with_messages(50).await;
    let query = |limit: usize| {
        format!(
            "{{ deliveries(limit: {limit}) {{ data {{ id endpoint {{ id url }}
                message {{ id topic payload {{ json }} }}
                attempts(limit: 3) {{ data {{ number outcome request {{ method body }} response {{ body }}
                    delivery {{ id }} }} }} }} }} }}"
        )
    };
    let most = calls([
        ("deliveries", 1),
        ("endpoints_by_id", 1),
        // Of the deliveries, and of the attempts' requests, unless both come together.
        ("messages_by_id", 2),
        ("payloads_by_id", 2),
        ("attempts_of", 1),
        ("endpoint_revisions", 1),
        ("deliveries_by_id", 1),
    ]);
    for limit in [1, 50, 100] {
        let (data, calls) = counted(&stage, &query(limit)).await;
        assert!(calls.keys().eq(most.keys()), "{calls:?}");
        assert!(calls.iter().all(|(verb, count)| *count <= most[verb]), "{limit} deliveries: {calls:?}");
        let deliveries = data["deliveries"]["data"].as_array().unwrap();
        assert_eq!(deliveries.len(), limit);
        for delivery in deliveries {
            let number = &delivery["message"]["payload"]["json"]["n"];
            let attempt = &delivery["attempts"]["data"][0];
            assert_eq!(attempt["request"]["body"], json!({"n": number}).to_string());
            assert_eq!((&attempt["response"]["body"], &attempt["outcome"]), (&json!("thanks"), &json!("SUCCEEDED")));
            assert_eq!(attempt["delivery"]["id"], delivery["id"]);
            assert!(delivery["endpoint"]["url"].is_string(), "{delivery}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_the_items_of_a_list_is_read_for_all_of_them() {
    let (stage, _receiver) = with_messages(50).await;
    let (data, asked) = counted(
        &stage,
        "{ messages(limit: 50) { data { id deliveries { nextCursor data { message { id } endpoint { id } } }
            done: deliveries(status: SUCCEEDED, limit: 1) { nextCursor data { status } }
            failed: deliveries(status: FAILED) { data { id } } } } }",
    )
    .await;
    let expected = [("messages", 1), ("deliveries_of_messages", 3), ("messages_by_id", 1), ("endpoints_by_id", 1)];
    assert_eq!(asked, calls(expected));
    for message in data["messages"]["data"].as_array().unwrap() {
        let deliveries = message["deliveries"]["data"].as_array().unwrap();
        assert_eq!(deliveries.len(), 2);
        assert!(deliveries.iter().all(|delivery| delivery["message"]["id"] == message["id"]));
        assert_ne!(deliveries[0]["endpoint"]["id"], deliveries[1]["endpoint"]["id"]);
        assert_eq!(message["deliveries"]["nextCursor"], json!(null));
        assert_eq!(message["done"]["data"].as_array().map(Vec::len), Some(1));
        assert!(message["done"]["nextCursor"].is_string());
        assert_eq!(message["failed"]["data"], json!([]));
    }
    let (data, asked) = counted(
        &stage,
        "{ endpoints { data { url deadLetterEndpoint { id url }
            deliveries(limit: 20) { nextCursor data { message { id payload { text } } } } } } }",
    )
    .await;
    let expected = [
        ("endpoints", 1),
        ("endpoints_by_id", 1),
        ("deliveries_of_endpoints", 1),
        ("messages_by_id", 1),
        ("payloads_by_id", 1),
    ];
    assert_eq!(asked, calls(expected));
    let lengths: Vec<_> = data["endpoints"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["deliveries"]["data"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [20, 20, 0]);
    assert!(data["endpoints"]["data"][0]["deadLetterEndpoint"]["url"].as_str().unwrap().ends_with("/letters"));
}

#[tokio::test]
async fn the_first_page_of_a_relation_leads_to_the_next() {
    let (stage, _receiver) = with_messages(5).await;
    let first = stage.data("{ endpoints { data { id deliveries(limit: 3) { nextCursor data { id } } } } }").await;
    let endpoint = &first["endpoints"]["data"][0];
    let next = "query($id: ID!, $cursor: String) {
        endpoint(id: $id) { deliveries(limit: 3, cursor: $cursor) { nextCursor data { id } } } }";
    let variables = json!({"id": endpoint["id"], "cursor": endpoint["deliveries"]["nextCursor"]});
    let second = stage.ask(next, variables).await.data();
    let second = &second["endpoint"]["deliveries"];
    assert_eq!((second["data"].as_array().map(Vec::len), &second["nextCursor"]), (Some(2), &json!(null)));
    let all = stage.ask(next, json!({"id": endpoint["id"]})).await.data();
    assert_eq!(all["endpoint"]["deliveries"]["data"], endpoint["deliveries"]["data"]);
    let seen: std::collections::BTreeSet<String> = [&endpoint["deliveries"]["data"], &second["data"]]
        .iter()
        .flat_map(|page| page.as_array().unwrap())
        .map(|delivery| delivery["id"].to_string())
        .collect();
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn schedules_and_replays_lead_to_their_endpoints_at_once() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    for number in 0..5 {
        let endpoint = stage.endpoint(&receiver.url(&format!("/{number}")), json!({})).await;
        let create = "mutation($input: ScheduleInput!) { createSchedule(input: $input) { id endpoint { id } } }";
        let input = json!({"cron": "@yearly", "payload": 1, "endpointId": endpoint});
        let created = stage.ask(create, json!({"input": input})).await.data();
        assert_eq!(created["createSchedule"]["endpoint"]["id"], endpoint.as_str());
        let replay = "mutation($id: ID!) { replayEndpoint(id: $id, input: {dryRun: true}) { id } }";
        stage.ask(replay, json!({"id": endpoint})).await.data();
    }
    // The replays' own reads are none of the queries'.
    let ended = |data: &Value| data["replays"]["data"].as_array().unwrap().iter().all(|one| one["state"] == "DONE");
    stage.until("{ replays { data { state } } }", json!({}), ended).await;
    let (data, asked) = counted(&stage, "{ schedules { data { endpoint { url } } } }").await;
    assert_eq!(asked, calls([("schedules", 1), ("endpoints_by_id", 1)]));
    assert_eq!(data["schedules"]["data"][4]["endpoint"]["url"], receiver.url("/0"));
    let (data, asked) = counted(&stage, "{ replays { data { endpoint { url } } } }").await;
    assert_eq!(asked, calls([("jobs", 1), ("endpoints_by_id", 1)]));
    assert_eq!(data["replays"]["data"][4]["endpoint"]["url"], receiver.url("/0"));
}

#[tokio::test]
async fn an_explanation_reads_its_deliveries_at_once() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("t").await;
    for number in 0..30 {
        stage.endpoint(&receiver.url(&format!("/{number}")), json!({})).await;
    }
    let message = stage.publish("t", json!(1)).await;
    receiver.wait_for(30).await;
    let query = "query($id: ID!) { message(id: $id) { explanation { matched delivery { id } } } }";
    stage.store.take_reads();
    let data = stage.ask(query, json!({"id": message})).await.data();
    assert_eq!(stage.store.take_reads(), calls([("message", 2), ("payload", 2), ("deliveries_by_id", 1)]));
    let explained = data["message"]["explanation"].as_array().unwrap();
    assert!(explained.len() == 30 && explained.iter().all(|one| one["delivery"]["id"].is_string()));
}

#[tokio::test]
async fn payloads_are_read_only_as_far_as_an_operation_may_show_them() {
    let stage = Stage::open().await;
    stage.topic("t").await;
    for _ in 0..40 {
        stage.publish("t", json!("x".repeat(1_000_000))).await;
    }
    let query = |limit: usize| format!("{{ messages(limit: {limit}) {{ data {{ payload {{ text }} }} }} }}");
    let (data, asked) = counted(&stage, &query(30)).await;
    assert_eq!(asked["payloads_by_id"], 4, "eight MiB each");
    assert_eq!(data["messages"]["data"][29]["payload"]["text"].as_str().map(str::len), Some(1_000_002));
    stage.store.take_reads();
    let refused = stage.ask(&query(40), json!({})).await.refused("too_large");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("smaller pages")), "{refused}");
    assert_eq!(stage.store.take_reads()["payloads_by_id"], 5, "the rest is not even read");
}
