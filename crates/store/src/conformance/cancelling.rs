//! Ending deliveries on request, and beginning them anew.

use posthaste_core::delivery::{Next, Placement};
use posthaste_core::{CloseReason, DeliveryId, DeliveryStatus, MessageId, WaitingFor};

use super::catalog::conflict;
use super::scene::{Owed, Scene, fail, retry, word};
use crate::queue::{From, Wait};
use crate::{Conflict, StoreError};

/// F12.
pub async fn a_delivery_is_cancelled_out_of_its_batch(scene: &Scene) {
    let (owed, other) = (scene.one_in_batch().await, scene.one_in_batch().await);
    let closed = scene.store.cancel_delivery(owed.delivery, scene.at(5)).await.unwrap();
    assert_eq!((closed.delivery, closed.endpoint, closed.at), (owed.delivery, owed.endpoint, scene.at(5)));
    assert_eq!((closed.status, closed.reason), (DeliveryStatus::Cancelled, CloseReason::ByRequest));
    assert_eq!(scene.place(owed.delivery).await, Placement::Closed(closed));
    // The owner learns of it with the next thing it writes about that batch.
    let spill = scene.moved(&owed, Next::Wait { due_at: scene.now, waiting_for: WaitingFor::InFlight });
    let success = scene.attempted(&other, 1, scene.first.number, Next::Succeeded);
    let recorded = scene.record(vec![spill, success]).await;
    assert_eq!(recorded.cancelled, [owed.delivery]);
    assert_eq!((scene.word(owed.delivery).await, scene.word(other.delivery).await), ("cancelled", "succeeded"));
}

pub async fn a_waiting_delivery_is_cancelled(scene: &Scene) {
    let owed = scene.one_waiting().await;
    let failure = scene.attempted(&owed, 1, scene.first.number, retry(scene.at(60)));
    let progress = failure.progress.clone();
    scene.record(vec![failure]).await;
    let closed = scene.store.cancel_delivery(owed.delivery, scene.at(5)).await.unwrap();
    assert_eq!((closed.status, &closed.progress), (DeliveryStatus::Cancelled, &progress));
    assert_eq!(scene.place(owed.delivery).await, Placement::Closed(closed));
    assert!(scene.store.lane_due(owed.endpoint, None, scene.at(99), 10).await.unwrap().is_empty());
    // Its owner may have read it before.
    scene.record(vec![scene.attempted(&owed.after(1), 2, scene.first.number, retry(scene.at(90)))]).await;
    assert_eq!(scene.word(owed.delivery).await, "cancelled");
}

pub async fn a_success_in_flight_wins_over_a_cancel(scene: &Scene) {
    for owed in [scene.one_in_batch().await, scene.one_waiting().await] {
        scene.store.cancel_delivery(owed.delivery, scene.at(5)).await.unwrap();
        scene.record(vec![scene.attempted(&owed, 1, scene.first.number, Next::Succeeded)]).await;
        assert_eq!(scene.word(owed.delivery).await, "succeeded");
    }
}

pub async fn a_failure_in_flight_leaves_the_delivery_cancelled(scene: &Scene) {
    for next in [retry(scene.at(60)), fail()] {
        for owed in [scene.one_in_batch().await, scene.one_waiting().await] {
            scene.store.cancel_delivery(owed.delivery, scene.at(5)).await.unwrap();
            let failure = scene.attempted(&owed, 1, scene.first.number, next.clone());
            let attempt = failure.attempt.clone().unwrap().attempt.id;
            scene.record(vec![failure]).await;
            assert_eq!(scene.word(owed.delivery).await, "cancelled");
            assert!(scene.store.attempt(attempt).await.unwrap().is_some(), "it happened all the same");
        }
    }
}

pub async fn an_owner_is_told_what_was_cancelled_in_its_batches(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let group = scene.publish(vec![scene.draft(&[&endpoint; 3])]).await;
    let id = group.messages[0].message.id;
    scene.store.cancel_delivery(id.delivery(1), scene.at(2)).await.unwrap();
    scene.store.cancel_delivery(id.delivery(3), scene.at(2)).await.unwrap();
    let from = From::Batch(group.batch);
    let sent = Owed { endpoint: endpoint.id, delivery: id.delivery(2), from, batch: group.batch };
    let mut recorded = scene.record(vec![scene.attempted(&sent, 1, scene.first.number, Next::Succeeded)]).await;
    recorded.cancelled.sort();
    assert_eq!(recorded.cancelled, [id.delivery(1), id.delivery(3)], "they must not be sent");
}

pub async fn only_what_is_pending_is_cancelled(scene: &Scene) {
    let number = scene.first.number;
    let (succeeded, failed, cancelled) =
        (scene.one_in_batch().await, scene.one_in_batch().await, scene.one_in_batch().await);
    scene.record(vec![scene.attempted(&succeeded, 1, number, Next::Succeeded)]).await;
    scene.record(vec![scene.attempted(&failed, 1, number, fail())]).await;
    scene.store.cancel_delivery(cancelled.delivery, scene.at(5)).await.unwrap();
    for (owed, place) in [(succeeded, "succeeded"), (failed, "failed"), (cancelled, "cancelled")] {
        let again = scene.store.cancel_delivery(owed.delivery, scene.at(6)).await;
        assert_eq!(conflict(again), Some(Conflict::WrongState), "{place}");
        assert_eq!(scene.word(owed.delivery).await, place);
    }
    for unknown in [succeeded.delivery.message().delivery(2), DeliveryId::from_bits(1 << 26)] {
        let result = scene.store.cancel_delivery(unknown, scene.now).await;
        assert!(matches!(result, Err(StoreError::NotFound)), "{result:?}");
    }
}

pub async fn a_message_is_cancelled_with_all_that_is_pending(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut draft = scene.draft(&[&endpoint; 5]);
    draft.waits = vec![Wait { position: 5, due_at: scene.at(60), waiting_for: WaitingFor::Schedule, order: 0 }];
    let group = scene.publish(vec![draft, scene.draft(&[&endpoint])]).await;
    let id = group.messages[0].message.id;
    let owed = |position| Owed {
        endpoint: endpoint.id,
        delivery: id.delivery(position),
        from: From::Batch(group.batch),
        batch: group.batch,
    };
    let number = scene.first.number;
    let settled = vec![
        scene.attempted(&owed(1), 1, number, Next::Succeeded),
        scene.attempted(&owed(2), 1, number, fail()),
        scene.attempted(&owed(3), 1, number, retry(scene.at(30))),
    ];
    scene.record(settled).await;
    let mut ended = scene.store.cancel_message(id, scene.at(5)).await.unwrap();
    ended.sort();
    assert_eq!(ended, [3, 4, 5].map(|position| id.delivery(position)));
    let mut words = Vec::new();
    for position in 1..=5 {
        words.push(scene.word(id.delivery(position)).await);
    }
    assert_eq!(words, ["succeeded", "failed", "cancelled", "cancelled", "cancelled"]);
    assert_eq!(scene.word(group.messages[1].message.id.delivery(1)).await, "batch");
    assert!(scene.store.cancel_message(id, scene.at(6)).await.unwrap().is_empty());
    let unknown = scene.store.cancel_message(MessageId::from_bits(1 << 46), scene.now).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
}

pub async fn a_dead_letter_is_retried_with_a_fresh_schedule(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let number = scene.first.number;
    scene.record(vec![scene.attempted(&owed, 3, number, fail())]).await;
    let delivery = scene.store.retry_delivery(owed.delivery, scene.at(9)).await.unwrap();
    let due = scene.due(owed.delivery).await;
    assert_eq!(delivery.placement, Placement::Due(due.clone()));
    assert_eq!((due.due_at, due.progress.attempts, due.progress.failures), (scene.at(9), 3, 0));
    assert_eq!(scene.ready(scene.at(9)).await, [owed.lane()]);
    scene.record(vec![scene.attempted(&owed.after(3), 4, number, Next::Succeeded)]).await;
    assert_eq!(scene.word(owed.delivery).await, "succeeded");
}

/// ADR 4.
pub async fn a_retried_success_is_pending_and_stays_a_success(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let number = scene.first.number;
    let success = scene.attempted(&owed, 1, number, Next::Succeeded);
    scene.record(vec![success.clone()]).await;
    let delivery = scene.store.retry_delivery(owed.delivery, scene.at(9)).await.unwrap();
    assert_eq!((word(&delivery.placement), delivery.status()), ("due", DeliveryStatus::Pending));
    let due = scene.due(owed.delivery).await;
    assert_eq!((due.due_at, due.progress.attempts, due.progress.failures), (scene.at(9), 1, 0));
    // A late repeat of the first success is not the answer to this.
    scene.record(vec![success]).await;
    assert_eq!(scene.word(owed.delivery).await, "due");
    scene.record(vec![scene.attempted(&owed.after(1), 2, number, retry(scene.at(20)))]).await;
    assert_eq!(scene.word(owed.delivery).await, "due");
    scene.record(vec![scene.attempted(&owed.after(2), 3, number, fail())]).await;
    assert_eq!(scene.word(owed.delivery).await, "succeeded", "which it was");
    assert_eq!(scene.store.stats(None).await.unwrap().failed, 0, "it is no dead letter");
}

pub async fn a_waiting_delivery_is_brought_forward(scene: &Scene) {
    let owed = scene.one_waiting().await;
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, retry(scene.at(1_000)))]).await;
    scene.rest(owed.lane(), scene.at(1), crate::queue::Rest::UntilAfter(scene.at(1))).await;
    scene.store.retry_delivery(owed.delivery, scene.at(9)).await.unwrap();
    let due = scene.due(owed.delivery).await;
    assert_eq!((due.due_at, due.progress.attempts, due.progress.failures), (scene.at(9), 1, 0));
    assert_eq!(scene.ready(scene.at(9)).await, [owed.lane()]);
}

pub async fn a_delivery_on_its_way_is_not_doubled_by_a_retry(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let delivery = scene.store.retry_delivery(owed.delivery, scene.at(9)).await.unwrap();
    assert_eq!(delivery.placement, Placement::Batch);
    assert!(scene.store.lane_due(owed.endpoint, None, scene.at(99), 10).await.unwrap().is_empty());
}

pub async fn a_cancelled_delivery_is_not_retried(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    scene.store.cancel_delivery(owed.delivery, scene.at(5)).await.unwrap();
    let retried = scene.store.retry_delivery(owed.delivery, scene.at(9)).await;
    assert_eq!(conflict(retried), Some(Conflict::WrongState));
    assert_eq!(scene.word(owed.delivery).await, "cancelled");
    let unknown = scene.store.retry_delivery(DeliveryId::from_bits(1 << 26), scene.at(9)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
}
