//! What follows a failed attempt.

use posthaste_core::delivery::CloseReason;
use posthaste_core::{DeliveryStatus, EndpointState, Outcome};
use posthaste_testkit::{Answer, Receiver};
use serde_json::json;

use crate::site::{Site, at_once, reason};

#[tokio::test]
async fn a_receiver_that_recovers_gets_the_same_bytes_in_the_end() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(500), Answer::close(), Answer::status(302)]);
    site.endpoint(&receiver.url("/hook"), json!({"retry": at_once(), "max_attempts": 10})).await;
    let receipt = site.publish(json!({"b": 1, "a": [1.0, 2e3]})).await;
    let done = site.until_status(receipt.id.delivery(1), DeliveryStatus::Succeeded).await;
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|request| request.body == received[0].body));
    assert!(received.iter().all(|request| request.header("webhook-id") == receipt.id.to_string()));
    let outcomes: Vec<_> = site.attempts(done.delivery.id).await.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Rejected, Outcome::ConnectError, Outcome::Rejected, Outcome::Succeeded]);
}

#[tokio::test]
async fn a_delivery_fails_when_its_attempts_are_used_up_and_begins_anew_on_request() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(500), Answer::status(500)]);
    site.endpoint(&receiver.url("/"), json!({"retry": at_once(), "max_attempts": 2})).await;
    let id = site.publish(json!(1)).await.id.delivery(1);
    let failed = site.until_status(id, DeliveryStatus::Failed).await;
    assert_eq!(reason(&failed), Some(CloseReason::AttemptsExhausted));
    site.engine.retry_delivery(&site.admin, &id.to_string()).await.unwrap();
    site.until_status(id, DeliveryStatus::Succeeded).await;
    let numbers: Vec<_> = site.attempts(id).await.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn gone_ends_the_delivery_and_disables_the_endpoint() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(410));
    let endpoint = site.endpoint(&receiver.url("/"), json!({})).await;
    let id = site.publish(json!(1)).await.id.delivery(1);
    let failed = site.until_status(id, DeliveryStatus::Failed).await;
    assert_eq!(reason(&failed), Some(CloseReason::EndpointGone));
    let disabled = async {
        while site.engine.endpoint(&site.admin, None, &endpoint.id.to_string()).await.unwrap().state
            != EndpointState::Disabled
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(posthaste_testkit::PATIENCE, disabled).await.unwrap();
    assert_eq!(site.publish(json!(2)).await.deliveries, Some(0));
}

#[tokio::test]
async fn what_expires_while_it_waits_is_not_sent() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(500));
    let slow = json!({"schedule_seconds": [0.8], "jitter": 0});
    site.endpoint(&receiver.url("/"), json!({"retry": slow, "max_attempts": 9})).await;
    let soon =
        posthaste_core::Timestamp::from_system(std::time::UNIX_EPOCH + now()) + std::time::Duration::from_millis(400);
    let draft = json!({"topic": "t", "payload": 1, "expires_at": soon.to_string()});
    let id = site.publish_as(draft).await.id.delivery(1);
    let ended = site.until_status(id, DeliveryStatus::Cancelled).await;
    assert_eq!(reason(&ended), Some(CloseReason::Expired));
    assert_eq!(receiver.received().len(), 1);
    let past = json!({"topic": "t", "payload": 1, "expires_at": "2020-01-01T00:00:00Z"});
    assert!(site.try_publish(past).await.unwrap_err().to_string().contains("could never be sent"));
}

#[expect(clippy::disallowed_methods, reason = "a caller's own clock, as it writes an expiry")]
fn now() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn an_endpoint_may_give_up_early_and_ask_for_empty_answers() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(200).body("no"));
    let members = json!({"retry": at_once(), "max_attempts": 1000, "give_up_after_seconds": 0.3,
                         "require_empty_response": true});
    site.endpoint(&receiver.url("/"), members).await;
    let id = site.publish(json!(1)).await.id.delivery(1);
    let failed = site.until_status(id, DeliveryStatus::Failed).await;
    assert_eq!(reason(&failed), Some(CloseReason::GaveUp));
    receiver.answer(Answer::status(200).body(" {} "));
    site.until_status(site.publish(json!(2)).await.id.delivery(1), DeliveryStatus::Succeeded).await;
}

#[tokio::test]
async fn a_message_may_keep_the_settings_it_was_accepted_with() {
    let site = Site::start().await;
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    let frozen = site.endpoint(&old.url("/old"), json!({"settings": "at_publish"})).await;
    site.engine.pause_endpoint(&site.admin, None, &frozen.id.to_string(), None).await.unwrap();
    let id = site.publish(json!("before")).await.id.delivery(1);
    let patch = json!({"url": new.url("/new")});
    site.engine.update_endpoint(&site.admin, None, &frozen.id.to_string(), patch, None).await.unwrap();
    site.engine.resume_endpoint(&site.admin, None, &frozen.id.to_string(), None).await.unwrap();
    site.until_status(id, DeliveryStatus::Succeeded).await;
    assert_eq!((old.received().len(), new.received().len()), (1, 0));
    site.publish(json!("after")).await;
    assert_eq!(new.wait_for(1).await[0].path, "/new");
}

#[tokio::test]
async fn a_repeated_publish_is_the_same_publish() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), json!({})).await;
    let draft = json!({"topic": "t", "payload": 1, "idempotency_key": "k"});
    let (first, second) = tokio::join!(site.publish_as(draft.clone()), site.publish_as(draft.clone()));
    assert_eq!(first.id, second.id);
    assert!(first.duplicate != second.duplicate, "one of them was first");
    assert!(site.publish_as(draft).await.duplicate);
    let other = json!({"topic": "t", "payload": 2, "idempotency_key": "k"});
    assert!(site.try_publish(other).await.unwrap_err().to_string().contains("used for another request"));
    site.until_status(first.id.delivery(1), DeliveryStatus::Succeeded).await;
    assert_eq!(receiver.received().len(), 1);
}
