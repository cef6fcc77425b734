//! An endpoint that does not answer, and its neighbours.

use posthaste_core::{DeliveryStatus, WaitingFor};
use posthaste_testkit::{Answer, Receiver};
use serde_json::json;

use crate::site::{Site, at_once};

#[tokio::test]
async fn failures_in_a_row_stop_attempts_and_a_success_lets_everything_through() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(503));
    site.endpoint(&receiver.url("/"), json!({"retry": at_once(), "max_attempts": 100})).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(site.publish(json!(number)).await.id.delivery(1));
    }
    receiver.wait_for(10).await;
    // The breaker is open: what comes now waits for it, untried.
    let behind = loop {
        let id = site.publish(json!("behind")).await.id.delivery(1);
        if site.delivery(id).await.waiting_for == Some(WaitingFor::Breaker) {
            break id;
        }
    };
    assert!(site.attempts(behind).await.is_empty());
    receiver.answer(Answer::status(200));
    ids.push(behind);
    for id in ids {
        site.until_status(id, DeliveryStatus::Succeeded).await;
    }
}

#[tokio::test]
async fn tenants_beside_a_black_hole_are_served_as_if_it_were_not_there() {
    let site = Site::with(|options| options.limits.in_flight = 40).await;
    let (hole, neighbour) = (Receiver::start().await, Receiver::start().await);
    hole.answer(Answer::hang());
    for number in 0..4 {
        let members = json!({"tenant": "slow", "max_in_flight": 64, "name": format!("{number}")});
        site.endpoint(&hole.url(&format!("/{number}")), members).await;
    }
    site.endpoint(&neighbour.url("/"), json!({"tenant": "quick"})).await;
    for number in 0..100 {
        site.publish_as(json!({"tenant": "slow", "topic": "t", "payload": number})).await;
    }
    hole.wait_for(20).await;
    for number in 0..200 {
        site.publish_as(json!({"tenant": "quick", "topic": "t", "payload": number})).await;
    }
    neighbour.wait_for(200).await;
    assert!(hole.most_at_once() <= 20, "half of what there is: {}", hole.most_at_once());
}

#[tokio::test]
async fn a_window_that_stands_still_sends_new_messages_to_the_database() {
    let site = Site::start().await;
    let hole = Receiver::start().await;
    hole.answer(Answer::hang());
    site.endpoint(&hole.url("/"), json!({"max_in_flight": 2, "timeout_seconds": 5})).await;
    for number in 0..4 {
        site.publish(json!(number)).await;
    }
    hole.wait_for(2).await;
    let waits = async {
        loop {
            let id = site.publish(json!("late")).await.id.delivery(1);
            if site.delivery(id).await.waiting_for == Some(WaitingFor::InFlight) {
                return;
            }
        }
    };
    tokio::time::timeout(posthaste_testkit::PATIENCE, waits).await.unwrap();
}
