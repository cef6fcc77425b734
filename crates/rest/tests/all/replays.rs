//! Replays and erasures.

use posthaste_testkit::Answer;
use serde_json::{Value, json};

use crate::stage::{id, with_receiver};

#[tokio::test]
async fn dead_letters_are_sent_again_as_a_replay() {
    let (stage, receiver) = with_receiver().await;
    let endpoint = stage.endpoint(&receiver.url("/hook"), json!({"max_attempts": 1})).await;
    receiver.script([Answer::status(500)]);
    let message = id(&stage.post("/v1/messages", json!({"topic": "order.created", "payload": 1})).await.expect(202));
    stage.until(&format!("/v1/deliveries?message_id={message}"), |list| list["data"][0]["status"] == "failed").await;
    let path = format!("/v1/endpoints/{endpoint}/replay");
    stage.post(&path, json!({"status": "lost"})).await.refused(422, "invalid", "/status");
    stage.post(&path, json!({"since": "yesterday"})).await.refused(422, "invalid", "/since");
    let dry = stage.post(&path, json!({"dry_run": true})).await;
    let replay = dry.expect(202);
    let location = format!("/v1/replays/{}", id(&replay));
    assert_eq!((dry.header("location"), &replay["state"]), (location.as_str(), &json!("running")));
    let done = stage.until(&location, |replay| replay["state"] == "done").await;
    assert_eq!((&done["matched"], &done["sent"], &done["endpoint_id"]), (&json!(1), &json!(0), &json!(endpoint)));
    let replay = id(&stage.verb(&path).await.expect(202));
    receiver.wait_for(2).await;
    stage.until(&format!("/v1/replays/{replay}"), |replay| replay["sent"] == 1).await;
    let list = stage.get(&format!("/v1/replays?endpoint_id={endpoint}")).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    // One that has come to its end is not stopped any more.
    stage.until(&format!("/v1/replays/{replay}"), |replay| replay["state"] == "done").await;
    assert_eq!(stage.verb(&format!("/v1/replays/{replay}/cancel")).await.expect(200)["state"], "done");
}

#[tokio::test]
async fn what_is_erased_is_gone_from_every_read_at_once() {
    let (stage, _receiver) = with_receiver().await;
    let publish = json!({"topic": "order.created", "payload": 1, "metadata": {"person": "7"}});
    let message = id(&stage.post("/v1/messages", publish).await.expect(202));
    stage.post("/v1/erase", json!({})).await.refused(422, "invalid", "");
    stage.post("/v1/erase", json!({"topic": "order.created", "message_id": message})).await.refused(422, "invalid", "");
    stage.post("/v1/erase", json!({"message_id": "msg_x"})).await.refused(422, "invalid", "/message_id");
    let job = stage.post("/v1/erase", json!({"metadata": {"person": "7"}})).await.expect(202);
    assert_eq!(job["tenant"], Value::Null);
    stage.get(&format!("/v1/messages/{message}")).await.refused(404, "not_found", "-");
    assert_eq!(stage.get("/v1/messages").await.expect(200)["data"], json!([]));
}
