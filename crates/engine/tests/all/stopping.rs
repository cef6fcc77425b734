//! Stopping and starting again.

use std::time::Duration;

use posthaste_core::DeliveryStatus;
use posthaste_testkit::{Answer, Receiver};
use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_end_and_the_next_start_sends_the_rest_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stop.db");
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(200).after(Duration::from_millis(100)));
    let site = Site::at(&path).await;
    site.endpoint(&receiver.url("/"), json!({"max_in_flight": 4})).await;
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(site.publish(json!(number)).await.id.delivery(1));
    }
    receiver.wait_for(4).await;
    site.stop().await;
    let before = receiver.received().len();
    assert!(before < 40, "it stopped in the middle");
    let site = Site::at(&path).await;
    for id in ids {
        site.until_status(id, DeliveryStatus::Succeeded).await;
    }
    let mut numbers: Vec<u32> =
        receiver.received().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stopped_engine_refuses_messages_and_says_that_it_stops() {
    let site = Site::start().await;
    site.engine.stop(Duration::from_secs(1)).await;
    let refused = site.try_publish(json!({"topic": "t", "payload": 1})).await.unwrap_err();
    assert!(refused.to_string().contains("stopping"), "{refused}");
    assert!(!site.engine.is_ready());
}

#[tokio::test]
async fn the_batch_of_an_idle_time_is_closed_and_messages_after_it_are_sent_too() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), json!({})).await;
    site.publish(json!(1)).await;
    let closed = async {
        while site.engine.stats(&site.admin, None).await.unwrap().counts.in_batches > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(posthaste_testkit::PATIENCE, closed).await.unwrap();
    site.publish(json!(2)).await;
    receiver.wait_for(2).await;
}
