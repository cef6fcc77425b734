//! What is done: every mutation, through to where it can be seen.

use posthaste_testkit::{Answer, Receiver};
use serde_json::{Value, json};

use crate::stage::{Stage, text};

#[tokio::test]
async fn topics_are_created_changed_and_removed() {
    let stage = Stage::open().await;
    let create = "mutation($input: TopicInput!) { createTopic(input: $input) { name schema revision } }";
    let schema = json!({"type": "object", "required": ["order_id"]});
    let input = json!({"name": "order", "title": "Orders", "schema": schema});
    let made = stage.ask(create, json!({"input": input})).await.data()["createTopic"].clone();
    assert_eq!((&made["schema"], &made["revision"]), (&schema, &json!(1)));
    stage.ask(create, json!({"input": {"name": "order"}})).await.refused("topic_exists");
    let refused = stage
        .ask("mutation { publish(input: {topic: \"order\", payload: {total: 1}}) { id } }", json!({}))
        .await
        .refused("invalid");
    assert_eq!(refused["extensions"]["status"], 422);
    let update = "mutation($revision: Int) {
        updateTopic(name: \"order\", change: {schema: null}, ifRevision: $revision) { title schema revision } }";
    stage.ask(update, json!({"revision": 9})).await.refused("precondition_failed");
    let changed = stage.ask(update, json!({"revision": 1})).await.data()["updateTopic"].clone();
    assert_eq!(changed, json!({"title": "Orders", "schema": null, "revision": 2}));
    stage.endpoint("http://127.0.0.1:9/", json!({"topics": ["order"]})).await;
    stage.ask("mutation { deleteTopic(name: \"order\") }", json!({})).await.refused("topic_in_use");
    assert_eq!(stage.data("mutation { deleteTopic(name: \"order\", force: true) }").await["deleteTopic"], true);
    stage.ask("{ topic(name: \"order\") { name } }", json!({})).await.refused("not_found");
}

#[tokio::test]
async fn endpoints_are_registered_changed_paused_tested_and_removed() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    let settings = json!({
        "uid": "mine", "filter": {"payload.total": {"$gte": 100}}, "headers": {"x-team": "blue"},
        "bodyFormat": "CLOUDEVENTS", "retry": {"scheduleSeconds": null, "minBackoffSeconds": 1.5},
        "rateLimit": {"perSecond": 5}, "ordering": "FIFO", "disableAfterSeconds": null, "successCodes": [200, 202],
    });
    let id = stage.endpoint(&receiver.url("/"), settings).await;
    let read = "{ endpoint(id: \"uid:mine\") { id filter headers bodyFormat retry { scheduleSeconds minBackoffSeconds }
        rateLimit { perSecond burst } ordering disableAfterSeconds successCodes timeoutSeconds } }";
    let found = stage.data(read).await["endpoint"].clone();
    let expected = json!({
        "id": id, "filter": {"payload.total": {"$gte": 100}}, "headers": {"x-team": "blue"},
        "bodyFormat": "CLOUDEVENTS", "retry": {"scheduleSeconds": null, "minBackoffSeconds": 1.5},
        "rateLimit": {"perSecond": 5.0, "burst": 1}, "ordering": "FIFO", "disableAfterSeconds": null,
        "successCodes": [200, 202], "timeoutSeconds": 20.0,
    });
    assert_eq!(found, expected);
    let update = "mutation($change: EndpointSettings!) { updateEndpoint(id: \"uid:mine\", change: $change) {
        name filter successCodes rateLimit { burst } revision } }";
    let change = json!({"name": "Orders", "filter": null, "successCodes": null, "rateLimit": null});
    let changed = stage.ask(update, json!({"change": change})).await.data()["updateEndpoint"].clone();
    assert_eq!(
        changed,
        json!({"name": "Orders", "filter": null, "successCodes": null, "rateLimit": null, "revision": 2})
    );
    let wrong = json!({"change": {"retry": {"maxBackoffSeconds": -1.0}}});
    let refused = stage.ask(update, wrong).await.refused("invalid");
    assert_eq!(refused["extensions"]["errors"][0]["pointer"], "/retry/maxBackoffSeconds");
    let tested = "mutation($id: ID!) { testEndpoint(id: $id) { outcome statusCode } }";
    assert_eq!(stage.ask(tested, json!({"id": id})).await.data()["testEndpoint"]["outcome"], "SUCCEEDED");
    let secret =
        "mutation($id: ID!) { rotateSecret(id: $id, input: {secret: \"another one\"}) { secret previous { secret } } }";
    let rotated = stage.ask(secret, json!({"id": id})).await.data()["rotateSecret"].clone();
    assert_eq!(rotated["previous"].as_array().map(Vec::len), Some(1));
    let shown = stage.ask("query($id: ID!) { endpointSecrets(id: $id) { secret publicKey } }", json!({"id": id})).await;
    assert_eq!(shown.data()["endpointSecrets"]["secret"], rotated["secret"]);
    for (verb, state) in [("pauseEndpoint", "PAUSED"), ("resumeEndpoint", "ACTIVE")] {
        let done = stage.ask(&format!("mutation($id: ID!) {{ {verb}(id: $id) {{ state }} }}"), json!({"id": id})).await;
        assert_eq!(done.data()[verb]["state"], state);
    }
    let stats =
        stage.ask("query($id: ID!) { endpoint(id: $id) { stats { attempts successRate } } }", json!({"id": id}));
    assert_eq!(stats.await.data()["endpoint"]["stats"]["attempts"], 1);
    let gone = stage.ask("mutation($id: ID!) { deleteEndpoint(id: $id) }", json!({"id": id})).await;
    assert_eq!(gone.data()["deleteEndpoint"], true);
    stage.ask("query($id: ID!) { endpoint(id: $id) { id } }", json!({"id": id})).await.refused("not_found");
}

#[tokio::test]
async fn a_batch_is_accepted_item_by_item_and_a_repetition_is_the_same_publish() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    let batch = "mutation($messages: [MessageInput!]!) { publishBatch(messages: $messages) {
        receipt { id duplicate deliveries } error { code status errors { pointer detail } } } }";
    let messages = json!([
        {"topic": "a", "payloadText": "hello", "idempotencyKey": "k1"},
        {"topic": "unknown", "payload": 1},
        {"urls": [receiver.url("/direct")], "payloadBase64": "/w=="},
        {"topic": "a", "payload": null, "headers": {"x-a": 5}},
    ]);
    let results = stage.ask(batch, json!({"messages": messages})).await.data()["publishBatch"].clone();
    assert_eq!(results[0]["receipt"]["duplicate"], false);
    assert_eq!(results[1]["error"]["errors"][0]["pointer"], "/messages/1/topic");
    assert_eq!(results[2]["receipt"]["deliveries"], 1);
    assert_eq!(results[3]["error"]["errors"][0]["pointer"], "/messages/3/headers/x-a");
    assert_eq!(receiver.wait_for(1).await[0].body.as_ref(), [0xff]);
    let again = stage.ask(batch, json!({"messages": [messages[0]]})).await.data()["publishBatch"][0].clone();
    assert_eq!((&again["receipt"]["duplicate"], &again["receipt"]["id"]), (&json!(true), &results[0]["receipt"]["id"]));
    let none = stage.ask("mutation { publish(input: {topic: \"a\"}) { id } }", json!({})).await.refused("invalid");
    assert_eq!(none["extensions"]["status"], 422);
}

#[tokio::test]
async fn a_dead_letter_is_retried_and_a_waiting_delivery_is_cancelled() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    receiver.answer(Answer::status(500));
    stage.topic("a").await;
    stage.endpoint(&receiver.url("/"), json!({"maxAttempts": 1})).await;
    let message = stage.publish("a", json!(1)).await;
    let read = "query($id: ID!) { message(id: $id) { deliveries { data { id status reason lastError } } } }";
    let status =
        |wanted: &'static str| move |data: &Value| data["message"]["deliveries"]["data"][0]["status"] == wanted;
    let failed = stage.until(read, json!({"id": message}), status("FAILED")).await;
    let delivery = &failed["message"]["deliveries"]["data"][0];
    assert_eq!(delivery["reason"], "ATTEMPTS_EXHAUSTED");
    receiver.answer(Answer::status(204));
    let retry = "mutation($id: ID!) { retryDelivery(id: $id) { status } }";
    assert_eq!(stage.ask(retry, json!({"id": delivery["id"]})).await.data()["retryDelivery"]["status"], "PENDING");
    stage.until(read, json!({"id": message}), status("SUCCEEDED")).await;
    let later = "mutation { publish(input: {topic: \"a\", payload: 2, delaySeconds: 3600}) { id } }";
    let later = text(&stage.data(later).await["publish"]["id"]);
    let waiting = stage.ask(read, json!({"id": later})).await.data();
    let cancel = "mutation($id: ID!) { cancelDelivery(id: $id) { status reason } }";
    let id = &waiting["message"]["deliveries"]["data"][0]["id"];
    let cancelled = stage.ask(cancel, json!({"id": id})).await.data()["cancelDelivery"].clone();
    assert_eq!(cancelled, json!({"status": "CANCELLED", "reason": "BY_REQUEST"}));
    let none = stage.ask("mutation($id: ID!) { cancelMessage(id: $id) }", json!({"id": later})).await.data();
    assert_eq!(none["cancelMessage"], 0);
}

#[tokio::test]
async fn a_url_is_subscribed_once_and_its_past_is_replayed() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    let subscribe = "mutation($input: SubscribeInput!) { subscribe(input: $input) { created endpoint { id topics } } }";
    let input = json!({"input": {"url": receiver.url("/"), "topic": "a"}});
    let first = stage.ask(subscribe, input.clone()).await.data()["subscribe"].clone();
    let second = stage.ask(subscribe, input).await.data()["subscribe"].clone();
    assert_eq!((&first["created"], &second["created"]), (&json!(true), &json!(false)));
    assert_eq!(first["endpoint"], second["endpoint"]);
    stage.publish("a", json!(1)).await;
    receiver.wait_for(1).await;
    let delivered = "{ deliveries(status: SUCCEEDED) { data { id } } }";
    stage.until(delivered, json!({}), |data| data["deliveries"]["data"][0].is_object()).await;
    let replay = "mutation($id: ID!) { replayEndpoint(id: $id, input: {status: SUCCEEDED}) { id state filter { status } endpoint { id } } }";
    let started = stage.ask(replay, json!({"id": first["endpoint"]["id"]})).await.data()["replayEndpoint"].clone();
    assert_eq!(
        (&started["filter"]["status"], &started["endpoint"]["id"]),
        (&json!("SUCCEEDED"), &first["endpoint"]["id"])
    );
    receiver.wait_for(2).await;
    let read = "query($id: ID!) { replay(id: $id) { state sent } replays(state: DONE) { data { id } } }";
    let done = stage.until(read, json!({"id": started["id"]}), |data| data["replay"]["state"] == "DONE").await;
    assert_eq!((&done["replay"]["sent"], &done["replays"]["data"][0]["id"]), (&json!(1), &started["id"]));
    let unsubscribe = "mutation($input: UnsubscribeInput!) { unsubscribe(input: $input) }";
    let input = json!({"input": {"url": receiver.url("/")}});
    assert_eq!(stage.ask(unsubscribe, input.clone()).await.data()["unsubscribe"], true);
    assert_eq!(stage.ask(unsubscribe, input).await.data()["unsubscribe"], false);
}

#[tokio::test]
async fn schedules_fire_keys_open_and_erasures_hide() {
    let stage = Stage::keyed().await;
    stage.topic("a").await;
    let create =
        "mutation($input: ScheduleInput!) { createSchedule(input: $input) { id cron nextFireAt missed payload } }";
    let input =
        json!({"cron": "0 3 * * *", "timezone": "Europe/Berlin", "topic": "a", "payload": {"n": 1}, "missed": "SKIP"});
    let schedule = stage.ask(create, json!({"input": input})).await.data()["createSchedule"].clone();
    assert_eq!((&schedule["missed"], &schedule["payload"]), (&json!("SKIP"), &json!({"n": 1})));
    let id = json!({"id": schedule["id"]});
    let off = "mutation($id: ID!) { updateSchedule(id: $id, change: {enabled: false}) { enabled nextFireAt cron } }";
    let changed = stage.ask(off, id.clone()).await.data()["updateSchedule"].clone();
    assert_eq!(changed, json!({"enabled": false, "nextFireAt": null, "cron": "0 3 * * *"}));
    let fired = stage.ask("mutation($id: ID!) { fireSchedule(id: $id) { id topic } }", id.clone()).await.data();
    let message = json!({"id": fired["fireSchedule"]["id"]});
    let read = "query($id: ID!) { message(id: $id) { origin } schedules { data { id } } }";
    assert_eq!(stage.ask(read, message.clone()).await.data()["message"]["origin"]["kind"], "schedule");
    assert_eq!(stage.ask("mutation($id: ID!) { deleteSchedule(id: $id) }", id).await.data()["deleteSchedule"], true);
    let create = "mutation($input: KeyInput!) { createKey(input: $input) { text key { id scopes tenant } } }";
    let input = json!({"name": "reader", "scopes": ["READ"], "tenant": "default"});
    let made = stage.ask(create, json!({"input": input})).await.data()["createKey"].clone();
    let key = text(&made["text"]);
    assert_eq!(stage.ask_as(Some(&key), read, message.clone()).await.data()["message"]["origin"]["kind"], "schedule");
    let erase = "mutation($id: ID!) { erase(input: {messageId: $id}) { state } }";
    stage.ask_as(Some(&key), erase, message.clone()).await.refused("forbidden");
    stage.ask(erase, message.clone()).await.data();
    stage.ask(read, message).await.refused("not_found");
    let ended = stage.ask("mutation($id: ID!) { deleteKey(id: $id) }", json!({"id": made["key"]["id"]})).await;
    assert_eq!(ended.data()["deleteKey"], true);
    assert_eq!(stage.ask_as(Some(&key), "{ keys { nextCursor } }", json!({})).await.status, 401);
}
