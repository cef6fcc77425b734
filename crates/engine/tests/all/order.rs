//! First in, first out.

use std::collections::HashMap;

use posthaste_core::{DeliveryStatus, WaitingFor};
use posthaste_testkit::{Answer, Received, Receiver};
use serde_json::json;

use crate::site::{Site, at_once};

fn numbers(received: &[Received]) -> Vec<u64> {
    received.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[tokio::test]
async fn deliveries_come_in_the_order_in_which_their_messages_were_accepted() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), json!({"ordering": "fifo"})).await;
    for number in 0..60 {
        site.publish(json!(number)).await;
    }
    let received = receiver.wait_for(60).await;
    assert_eq!(numbers(&received), (0..60).collect::<Vec<_>>());
    assert_eq!(receiver.most_at_once(), 1);
}

#[tokio::test]
async fn a_failing_first_blocks_those_behind_it_until_it_succeeds_or_is_given_up() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(500), Answer::status(500)]);
    site.endpoint(&receiver.url("/"), json!({"ordering": "fifo", "retry": at_once(), "max_attempts": 3})).await;
    for number in 0..5 {
        site.publish(json!(number)).await;
    }
    assert_eq!(numbers(&receiver.wait_for(7).await), [0, 0, 0, 1, 2, 3, 4]);
    receiver.script([Answer::status(500), Answer::status(500), Answer::status(500)]);
    let given_up = site.publish(json!(5)).await.id.delivery(1);
    site.publish(json!(6)).await;
    assert_eq!(numbers(&receiver.wait_for(11).await[7..]), [5, 5, 5, 6]);
    site.until_status(given_up, DeliveryStatus::Failed).await;
}

#[tokio::test]
async fn ordering_keys_do_not_wait_for_one_another() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_by(|request| match request.header("x-key") {
        "stuck" => Answer::status(500),
        _ => Answer::status(200),
    });
    let slow = json!({"schedule_seconds": [60], "jitter": 0});
    site.endpoint(&receiver.url("/"), json!({"ordering": "fifo", "retry": slow})).await;
    let publish = |key: &'static str, number: u64| {
        site.publish_as(json!({"topic": "t", "payload": number, "ordering_key": key, "headers": {"x-key": key}}))
    };
    publish("stuck", 0).await;
    let behind = publish("stuck", 1).await.id.delivery(1);
    for number in 0..20 {
        for key in ["a", "b"] {
            publish(key, number).await;
        }
    }
    let received = receiver.wait_for(41).await;
    let mut by_key: HashMap<&str, Vec<Received>> = HashMap::new();
    for request in &received {
        by_key.entry(request.header("x-key")).or_default().push(request.clone());
    }
    for key in ["a", "b"] {
        assert_eq!(numbers(&by_key[key]), (0..20).collect::<Vec<_>>());
    }
    assert_eq!(numbers(&by_key["stuck"]), [0]);
    assert_eq!(site.delivery(behind).await.waiting_for, Some(WaitingFor::Order));
}

#[tokio::test]
async fn a_failed_delivery_may_hold_its_order_until_somebody_decides() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.script([Answer::status(500)]);
    let members = json!({"ordering": "fifo", "fifo_on_failed": "hold", "max_attempts": 1});
    let endpoint = site.endpoint(&receiver.url("/"), members).await;
    let first = site.publish(json!(0)).await.id.delivery(1);
    let second = site.publish(json!(1)).await.id.delivery(1);
    site.until_status(first, DeliveryStatus::Failed).await;
    // A message to another endpoint passes through the same machinery meanwhile.
    let other = site.endpoint(&receiver.url("/other"), json!({"topics": ["other"]})).await;
    let passed = site.publish_as(json!({"endpoint_ids": [other.id], "payload": 9})).await.id.delivery(1);
    site.until_status(passed, DeliveryStatus::Succeeded).await;
    assert_eq!(site.delivery(second).await.delivery.status(), DeliveryStatus::Pending);
    site.engine.retry_delivery(&site.admin, &first.to_string()).await.unwrap();
    site.until_status(second, DeliveryStatus::Succeeded).await;
    let paths =
        |received: Vec<Received>| received.into_iter().filter(|request| request.path == "/").collect::<Vec<_>>();
    assert_eq!(numbers(&paths(receiver.received())), [0, 0, 1]);
    // Held again, and let go by resuming the endpoint: the failed one stays failed.
    receiver.script([Answer::status(500)]);
    let third = site.publish(json!(2)).await.id.delivery(1);
    let fourth = site.publish(json!(3)).await.id.delivery(1);
    site.until_status(third, DeliveryStatus::Failed).await;
    site.engine.resume_endpoint(&site.admin, None, &endpoint.id.to_string(), None).await.unwrap();
    site.until_status(fourth, DeliveryStatus::Succeeded).await;
    assert_eq!(site.delivery(third).await.delivery.status(), DeliveryStatus::Failed);
}
