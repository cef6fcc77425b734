//! CloudEvents.

use serde_json::{Value, json};

use crate::stage::{id, with_receiver};

const ONE: (&str, &str) = ("content-type", "application/cloudevents+json");
const MANY: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

fn event(id: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "order.created", "data": data, "colour": "red"})
}

#[tokio::test]
async fn an_event_comes_in_structured_or_binary_and_its_data_goes_out() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({"max_in_flight": 1})).await;
    let body = event("1", &json!({"n": 1})).to_string();
    let accepted = stage.send("POST", "/v1/events", &[ONE], body.as_bytes()).await.expect(202);
    assert_eq!((&accepted["topic"], &accepted["deliveries"]), (&json!("order.created"), &json!(1)));
    let again = stage.send("POST", "/v1/events", &[ONE], body.as_bytes()).await.expect(202);
    assert_eq!((&again["id"], &again["duplicate"]), (&accepted["id"], &json!(true)));
    let binary = [
        ("content-type", "text/plain"),
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/shop"),
        ("ce-type", "order.created"),
    ];
    stage.send("POST", "/v1/events", &binary, b"plain").await.expect(202);
    let received = receiver.wait_for(2).await;
    assert_eq!((&*received[0].body, received[0].header("content-type")), (&br#"{"n":1}"#[..], "application/json"));
    assert_eq!((&*received[1].body, received[1].header("content-type")), (&b"plain"[..], "text/plain"));
    let read = stage.get(&format!("/v1/messages/{}", id(&accepted))).await.expect(200);
    assert_eq!(read["origin"]["kind"], "event");
}

#[tokio::test]
async fn a_list_of_events_is_answered_one_by_one() {
    let (stage, _receiver) = with_receiver().await;
    let events = json!([event("1", &json!(1)), {"id": "2"}, event("1", &json!(1)), event("3", &json!(3))]);
    let results = stage.send("POST", "/v1/events", &[MANY], events.to_string().as_bytes()).await.expect(202);
    let results = results["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert!(results[1]["error"]["errors"][0]["pointer"].as_str().unwrap().starts_with("/1"), "{results:?}");
    assert_eq!(results[0]["id"], results[2]["id"]);
    assert!(results[3]["id"].is_string());
    stage.send("POST", "/v1/events", &[MANY], b"[]").await.refused(422, "invalid", "");
}

#[tokio::test]
async fn what_is_no_event_is_refused_by_its_attribute() {
    let (stage, _receiver) = with_receiver().await;
    let unknown = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "nobody.knows", "data": 1});
    let untyped = json!({"specversion": "1.0", "id": "1", "source": "/s", "data": 1});
    let other =
        json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "order.created", "tenant": "a", "data": 1});
    for (body, path, place) in
        [(unknown, "/v1/events", "/type"), (untyped, "/v1/events", "/type"), (other, "/v1/events?tenant=b", "/tenant")]
    {
        stage.send("POST", path, &[ONE], body.to_string().as_bytes()).await.refused(422, "invalid", place);
    }
    stage.send("POST", "/v1/events", &[ONE], b"{").await.refused(400, "malformed_json", "-");
    let avro = ("content-type", "application/cloudevents+avro");
    stage.send("POST", "/v1/events", &[avro], b"x").await.refused(415, "unsupported_media_type", "-");
    let binary =
        [("content-type", "text/plain"), ("ce-specversion", "1.0"), ("ce-id", "2"), ("ce-type", "order.created")];
    stage.send("POST", "/v1/events", &binary, b"x").await.refused(400, "invalid_header", "ce-source");
}
