//! At most once: what may have been delivered is not sent again.

use posthaste_core::DeliveryStatus;
use posthaste_core::delivery::{CloseReason, Placement};
use posthaste_testkit::{Answer, Receiver};
use serde_json::json;

use crate::site::{Site, at_once, reason};

fn once() -> serde_json::Value {
    json!({"guarantee": "at_most_once", "retry": at_once(), "max_attempts": 5})
}

#[tokio::test]
async fn a_request_that_was_written_and_not_answered_is_not_repeated() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    site.endpoint(&receiver.url("/"), once()).await;
    receiver.script([Answer::close()]);
    let id = site.publish(json!(1)).await.id.delivery(1);
    let failed = site.until_status(id, DeliveryStatus::Failed).await;
    assert_eq!(reason(&failed), Some(CloseReason::UnknownOutcome));
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn what_was_refused_or_never_left_is_repeated() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    let address = receiver.address();
    site.endpoint(&receiver.url("/"), once()).await;
    receiver.script([Answer::status(500), Answer::status(503)]);
    let id = site.publish(json!(1)).await.id.delivery(1);
    site.until_status(id, DeliveryStatus::Succeeded).await;
    assert_eq!(site.attempts(id).await.len(), 3);
    // Nobody listens: nothing can have been delivered.
    receiver.stop().await;
    let slow = json!({"schedule_seconds": [0.2], "jitter": 0});
    let unheard = site
        .endpoint(
            &format!("http://{address}/"),
            json!({"topics": [], "guarantee": "at_most_once", "retry": slow, "max_attempts": 50}),
        )
        .await;
    let id = site.publish_as(json!({"endpoint_ids": [unheard.id], "payload": 2})).await.id.delivery(1);
    site.until(id, "one attempt", |detail| matches!(&detail.delivery.placement, Placement::Due(_))).await;
    let receiver = Receiver::start_at(address).await;
    site.until_status(id, DeliveryStatus::Succeeded).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn what_was_in_flight_when_the_process_ended_is_given_up_and_what_waited_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("once.db");
    let receiver = Receiver::start().await;
    receiver.answer(Answer::hang());
    let site = Site::at(&path).await;
    let members = json!({"guarantee": "at_most_once", "max_in_flight": 1});
    // In an order everything waits in the database and is marked; without one it goes from memory.
    let in_order = json!({"guarantee": "at_most_once", "ordering": "fifo"});
    let direct = site.endpoint(&receiver.url("/direct"), members).await;
    let marked = site.endpoint(&receiver.url("/marked"), in_order).await;
    let first = site.publish(json!(1)).await.id;
    receiver.wait_for(2).await;
    let second = site.publish(json!(2)).await.id;
    site.engine.stop(std::time::Duration::ZERO).await;
    drop(site);
    receiver.answer(Answer::status(200));
    let site = Site::at(&path).await;
    for position in [1, 2] {
        let failed = site.until_status(first.delivery(position), DeliveryStatus::Failed).await;
        assert_eq!(reason(&failed), Some(CloseReason::UnknownOutcome), "position {position}");
        site.until_status(second.delivery(position), DeliveryStatus::Succeeded).await;
    }
    let received = receiver.received();
    for endpoint in [&direct, &marked] {
        let path = endpoint.settings.url.rsplit('/').next().unwrap();
        let bodies: Vec<_> = received
            .iter()
            .filter(|request| request.path.ends_with(path))
            .map(|request| request.body.clone())
            .collect();
        assert_eq!(bodies, ["1", "2"], "{path}");
    }
}
