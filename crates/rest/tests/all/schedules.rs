//! Schedules.

use serde_json::{Value, json};

use crate::stage::{id, with_receiver};

#[tokio::test]
async fn a_schedule_is_made_changed_fired_and_removed() {
    let (stage, receiver) = with_receiver().await;
    stage.endpoint(&receiver.url("/hook"), json!({})).await;
    let body = json!({
        "name": "yearly", "uid": "y", "cron": "0 0 1 1 *", "timezone": "Europe/Vienna", "topic": "order.created",
        "payload": {"n": 1}, "headers": {"x-from": "cron"},
    });
    let created = stage.post("/v1/schedules", body).await;
    let schedule = created.expect(201);
    let path = format!("/v1/schedules/{}", id(&schedule));
    assert_eq!((created.header("location"), created.header("etag")), (path.as_str(), "\"1\""));
    assert_eq!(
        (&schedule["enabled"], &schedule["missed"], &schedule["last_fire_at"]),
        (&json!(true), &json!("fire_once"), &Value::Null)
    );
    assert!(schedule["next_fire_at"].as_str().unwrap().ends_with("-12-31T23:00:00Z"), "{schedule}");
    assert!(schedule["next_message_id"].as_str().unwrap().starts_with("msg_"), "{schedule}");
    assert_eq!(stage.get("/v1/schedules/uid:y").await.expect(200), schedule);
    assert_eq!(stage.get("/v1/schedules").await.expect(200)["data"], json!([schedule]));
    let fired = stage.verb(&format!("{path}/fire")).await.expect(202);
    let received = receiver.wait_for(1).await;
    assert_eq!((&*received[0].body, received[0].header("x-from")), (&br#"{"n":1}"#[..], "cron"));
    let message = stage.get(&format!("/v1/messages/{}", id(&fired))).await.expect(200);
    assert_eq!((&message["origin"]["kind"], &message["origin"]["schedule_id"]), (&json!("schedule"), &schedule["id"]));
    let off = stage.patch(&path, json!({"enabled": false})).await.expect(200);
    assert_eq!((&off["enabled"], &off["next_fire_at"], &off["revision"]), (&json!(false), &Value::Null, &json!(2)));
    let fire = format!("{path}/fire");
    stage.send("POST", &fire, &[("if-match", "\"1\"")], b"").await.refused(412, "precondition_failed", "-");
    stage.send("DELETE", &path, &[("if-match", "\"1\"")], b"").await.refused(412, "precondition_failed", "-");
    stage.delete(&path).await.expect(204);
    stage.get(&path).await.refused(404, "not_found", "-");
}

#[tokio::test]
async fn a_schedule_that_breaks_a_rule_is_refused_by_the_member() {
    let (stage, _receiver) = with_receiver().await;
    let good = json!({"cron": "@daily", "topic": "order.created", "payload": 1});
    for (name, value, place) in [
        ("cron", json!("61 * * * *"), "/cron"),
        ("cron", json!(5), "/cron"),
        ("timezone", json!("Mars/Olympus"), "/timezone"),
        ("topic", json!("nobody.knows"), "/topic"),
        ("payload_text", json!("x"), "/payload"),
        ("missed", json!("panic"), "/missed"),
        ("headers", json!({"host": "x"}), "/headers/host"),
        ("colour", json!(1), "/colour"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        stage.post("/v1/schedules", body).await.refused(422, "invalid", place);
    }
}
