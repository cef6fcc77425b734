//! What people do to deliveries under way.

use posthaste_core::delivery::CloseReason;
use posthaste_core::{DeliveryStatus, WaitingFor};
use posthaste_testkit::{Answer, Receiver};
use serde_json::json;
use std::time::Duration;

use crate::site::{Site, reason};

#[tokio::test]
async fn a_paused_endpoint_takes_messages_and_sends_them_when_it_is_resumed() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    let endpoint = site.endpoint(&receiver.url("/"), json!({})).await;
    let name = endpoint.id.to_string();
    site.engine.pause_endpoint(&site.admin, None, &name, None).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(site.publish(json!(number)).await.id.delivery(1));
    }
    assert_eq!(site.delivery(ids[0]).await.waiting_for, Some(WaitingFor::EndpointPaused));
    // Another endpoint's traffic does not wake it.
    let other = site.endpoint(&receiver.url("/other"), json!({"topics": []})).await;
    let passed = site.publish_as(json!({"endpoint_ids": [other.id], "payload": 1})).await.id.delivery(1);
    site.until_status(passed, DeliveryStatus::Succeeded).await;
    assert_eq!(receiver.received().len(), 1);
    site.engine.resume_endpoint(&site.admin, None, &name, None).await.unwrap();
    for id in ids {
        site.until_status(id, DeliveryStatus::Succeeded).await;
    }
}

#[tokio::test]
async fn what_waits_can_be_cancelled_and_what_is_in_flight_may_still_succeed() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(200).after(Duration::from_millis(400)));
    site.endpoint(&receiver.url("/"), json!({"max_in_flight": 1})).await;
    let flying = site.publish(json!("flying")).await.id.delivery(1);
    receiver.wait_for(1).await;
    let queued = site.publish(json!("queued")).await.id.delivery(1);
    let later = site.publish_as(json!({"topic": "t", "payload": "later", "delay_seconds": 60})).await.id.delivery(1);
    for id in [flying, queued, later] {
        site.engine.cancel_delivery(&site.admin, &id.to_string()).await.unwrap();
    }
    site.until_status(flying, DeliveryStatus::Succeeded).await;
    let after = site.publish(json!("after")).await.id.delivery(1);
    site.until_status(after, DeliveryStatus::Succeeded).await;
    for id in [queued, later] {
        let detail = site.delivery(id).await;
        assert_eq!(detail.delivery.status(), DeliveryStatus::Cancelled);
        assert_eq!(reason(&detail), Some(CloseReason::ByRequest));
    }
    let bodies: Vec<_> = receiver.received().iter().map(|request| request.body.clone()).collect();
    assert_eq!(bodies, [r#""flying""#, r#""after""#]);
}

#[tokio::test]
async fn deleting_an_endpoint_ends_what_is_due_much_later_and_what_it_held() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(500));
    for (ordering, on_failed) in [("none", "continue"), ("fifo", "continue"), ("fifo", "hold")] {
        let settings = json!({"ordering": ordering, "fifo_on_failed": on_failed, "max_attempts": 1});
        let endpoint = site.endpoint(&receiver.url("/"), settings).await;
        let failed = site.publish(json!("fails")).await.id.delivery(1);
        site.until_status(failed, DeliveryStatus::Failed).await;
        let mut later = Vec::new();
        for delay in [3_600, 7_200] {
            let members = json!({"endpoint_ids": [endpoint.id.to_string()], "payload": delay, "delay_seconds": delay});
            later.push(site.publish_as(members).await.id.delivery(1));
        }
        site.engine.delete_endpoint(&site.admin, None, &endpoint.id.to_string(), None).await.unwrap();
        for id in later {
            let ended = site.until_status(id, DeliveryStatus::Cancelled).await;
            assert_eq!(reason(&ended), Some(CloseReason::EndpointDeleted), "{ordering}, {on_failed}");
        }
    }
}

#[tokio::test]
async fn deleting_an_endpoint_ends_what_waits_for_it() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(500));
    for ordering in ["none", "fifo"] {
        let endpoint = site.endpoint(&receiver.url("/"), json!({"ordering": ordering})).await;
        let mut ids = Vec::new();
        for number in 0..3 {
            ids.push(site.publish(json!(number)).await.id.delivery(1));
        }
        site.engine.delete_endpoint(&site.admin, None, &endpoint.id.to_string(), None).await.unwrap();
        for id in ids {
            let ended = site.until_status(id, DeliveryStatus::Cancelled).await;
            assert_eq!(reason(&ended), Some(CloseReason::EndpointDeleted), "{ordering}");
        }
    }
}
