//! Letting go of what is old, and of nothing else.

use std::time::Duration;

use posthaste_core::delivery::{Next, Placement};
use posthaste_core::{CloseReason, DeliveryId, DeliveryStatus, Timestamp, WaitingFor};

use super::scene::{Owed, Scene, fail, left, retry};
use crate::history::{DeliveryFilter, MessageFilter};
use crate::queue::From;
use crate::retention::Ages;
use crate::{Flush, Page};

const DAY: Duration = Duration::from_hours(24);

fn ages(messages: u32, captures: u32) -> Ages {
    Ages { messages: DAY * messages, captures: DAY * captures }
}

/// Prunes until there is nothing more to do, as the leader does.
async fn prune(scene: &Scene, ages: Ages, now: Timestamp) {
    for _ in 0..1_000 {
        scene.store.maintain(now).await.unwrap();
        if !scene.store.prune(&ages, now).await.unwrap().more {
            return;
        }
    }
    panic!("it does not come to an end");
}

pub async fn what_is_old_goes_with_all_that_hangs_on_it(scene: &Scene) {
    let number = scene.first.number;
    let owed = [scene.one_in_batch().await, scene.one_in_batch().await, scene.one_waiting().await];
    let success = scene.attempted(&owed[0], 1, number, Next::Succeeded);
    let attempt = success.attempt.clone().unwrap().attempt.id;
    scene.record(vec![success, scene.attempted(&owed[1], 1, number, fail())]).await;
    scene.store.cancel_delivery(owed[2].delivery, scene.now).await.unwrap();
    let finished = Flush { finished: vec![owed[0].batch, owed[1].batch], ..Flush::default() };
    scene.store.record(scene.node(), &finished).await.unwrap();
    let named = scene.publish(vec![scene.draft(&[]).uid("u")]).await;
    prune(scene, ages(30, 7), scene.now + DAY * 29).await;
    assert_eq!(scene.word(owed[0].delivery).await, "succeeded", "not yet");
    prune(scene, ages(30, 7), scene.now + DAY * 40).await;
    for owed in owed {
        assert_eq!(scene.store.message(owed.delivery.message()).await.unwrap(), None);
        assert_eq!(scene.store.payload(owed.delivery.message()).await.unwrap(), None);
        assert_eq!(scene.store.delivery(owed.delivery).await.unwrap(), None);
        let retried = scene.store.retry_delivery(owed.delivery, scene.now + DAY * 40).await;
        assert!(retried.is_err(), "there is nothing to send: {retried:?}");
    }
    assert_eq!(scene.store.attempt(attempt).await.unwrap(), None);
    assert_eq!(scene.store.message(named.messages[0].message.id).await.unwrap(), None);
    assert_eq!(scene.store.message_by_uid(&scene.tenant, "u").await.unwrap(), None);
    let everything = MessageFilter::default();
    assert!(scene.store.messages(&everything, Page::first(9)).await.unwrap().items.is_empty());
    for status in [None, Some(DeliveryStatus::Failed)] {
        let filter = DeliveryFilter { status, ..DeliveryFilter::default() };
        assert!(scene.store.deliveries(&filter, Page::first(9)).await.unwrap().items.is_empty());
    }
}

/// F6: months-ahead, paused and batched deliveries outlive their partition.
pub async fn what_is_still_owed_outlives_its_age(scene: &Scene) {
    let number = scene.first.number;
    let (waiting, batched, done) = (scene.one_waiting().await, scene.one_in_batch().await, scene.one_in_batch().await);
    let settled = vec![scene.attempted(&done, 1, number, Next::Succeeded)];
    let flush = Flush { settled, finished: vec![done.batch], ..Flush::default() };
    scene.store.record(scene.node(), &flush).await.unwrap();
    let later = scene.now + DAY * 40;
    prune(scene, ages(30, 7), later).await;
    assert_eq!(scene.store.delivery(done.delivery).await.unwrap(), None);
    for (owed, place) in [(waiting, "due"), (batched, "batch")] {
        assert_eq!(scene.word(owed.delivery).await, place);
        assert!(scene.store.payload(owed.delivery.message()).await.unwrap().is_some(), "{place}");
        let filter = DeliveryFilter { endpoint: Some(owed.endpoint), ..DeliveryFilter::default() };
        let listed = scene.store.deliveries(&filter, Page::first(9)).await.unwrap().items;
        assert_eq!(listed.len(), 1, "{place}");
    }
    let rows = scene.store.lane_due(waiting.endpoint, None, later, 10).await.unwrap();
    assert!(rows[0].message.is_some() && rows[0].payload.is_some());
    // They go on as if nothing had happened; there is no partition for their attempts any more.
    scene.record(vec![scene.attempted(&waiting, 1, number, retry(later))]).await;
    scene.record(vec![scene.attempted(&waiting.after(1), 2, number, Next::Succeeded)]).await;
    assert_eq!(scene.word(waiting.delivery).await, "succeeded");
    let attempts = scene.store.attempts(waiting.delivery, Page::first(9)).await.unwrap().items;
    assert_eq!(attempts.len(), 2);
    let successor = scene.successor().await;
    let claimed = scene.claim_all(successor.node).await;
    assert_eq!(left(&claimed), [batched.delivery]);
    assert!(claimed[0].left[0].payload.is_some());
    // Once nothing is owed any more they go too.
    let success = scene.attempted(&batched, 1, successor.number, Next::Succeeded);
    let flush = Flush { settled: vec![success], finished: vec![batched.batch], ..Flush::default() };
    scene.store.record(successor.node, &flush).await.unwrap();
    prune(scene, ages(30, 7), later + DAY * 2).await;
    for owed in [waiting, batched] {
        assert_eq!(scene.store.message(owed.delivery.message()).await.unwrap(), None);
        assert_eq!(scene.store.payload(owed.delivery.message()).await.unwrap(), None);
    }
}

/// F13: each has its own age.
pub async fn captures_go_before_their_attempts(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let success = scene.attempted(&owed, 1, scene.first.number, Next::Succeeded);
    let attempt = success.attempt.clone().unwrap().attempt;
    scene.record(vec![success]).await;
    prune(scene, ages(30, 7), scene.now + DAY * 15).await;
    assert_eq!(scene.store.attempt(attempt.id).await.unwrap(), Some((attempt, None)));
    assert_eq!(scene.word(owed.delivery).await, "succeeded");
    assert!(scene.store.payload(owed.delivery.message()).await.unwrap().is_some());
}

pub async fn what_is_young_stays(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let draft = scene.draft(&[&endpoint]).waits(scene.at(60), WaitingFor::Schedule);
    let group = scene.publish(vec![draft, scene.draft(&[])]).await;
    let owed = scene.one_in_batch().await;
    let success = scene.attempted(&owed, 1, scene.first.number, Next::Succeeded);
    let exchange = success.attempt.clone().unwrap();
    scene.record(vec![success]).await;
    prune(scene, ages(1, 1), scene.at(3_600)).await;
    for new in &group.messages {
        assert!(scene.store.message(new.message.id).await.unwrap().is_some());
    }
    let kept = scene.store.attempt(exchange.attempt.id).await.unwrap();
    assert_eq!(kept, Some((exchange.attempt, exchange.capture)));
}

/// Expires until there is nothing more to do; says what ended.
async fn expire(scene: &Scene, before: Timestamp, limit: u32) -> Vec<DeliveryId> {
    let mut ended = Vec::new();
    for _ in 0..100 {
        let expired = scene.store.expire(before, scene.at(100), limit).await.unwrap();
        ended.extend(expired.ended);
        if !expired.more {
            ended.sort_unstable();
            return ended;
        }
    }
    panic!("it does not come to an end");
}

pub async fn what_waits_of_an_expired_message_ends(scene: &Scene) {
    let (one, other) = (scene.endpoint().await, scene.endpoint().await);
    let draft = |seconds: Option<u64>| {
        let mut draft = scene.draft(&[&one, &other]).waits(scene.now, WaitingFor::EndpointPaused);
        draft.extras.expires_at = seconds.map(|seconds| scene.at(seconds));
        draft
    };
    let mut ordered = scene.draft(&[&one]).ordered(scene.now);
    ordered.extras.expires_at = Some(scene.at(10));
    let mut sent = scene.draft(&[&one]);
    sent.extras.expires_at = Some(scene.at(10));
    let group = scene.publish(vec![draft(Some(10)), draft(Some(20)), draft(None), ordered, sent]).await;
    let d = |message: usize, position| group.messages[message].message.id.delivery(position);
    assert_eq!(expire(scene, scene.at(9), 10).await, []);
    assert_eq!(expire(scene, scene.at(10), 10).await, [d(0, 1), d(0, 2), d(3, 1)]);
    for delivery in [d(0, 1), d(0, 2), d(3, 1)] {
        match scene.place(delivery).await {
            Placement::Closed(closed) => assert_eq!(
                (closed.status, closed.reason, closed.at),
                (DeliveryStatus::Cancelled, CloseReason::Expired, scene.at(100))
            ),
            other => panic!("{delivery} is not closed: {other:?}"),
        }
    }
    for delivery in [d(1, 1), d(1, 2), d(2, 1), d(2, 2)] {
        assert_eq!(scene.word(delivery).await, "due", "it has not expired");
    }
    assert_eq!(scene.word(d(4, 1)).await, "batch", "its owner ends it");
    assert_eq!(expire(scene, scene.at(10), 10).await, [], "each message is looked at once");
    assert_eq!(expire(scene, scene.at(20), 10).await, [d(1, 1), d(1, 2)]);
}

pub async fn a_wide_message_that_expired_ends_step_by_step(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut wide = scene.draft(&vec![&endpoint; 1_200]).waits(scene.now, WaitingFor::EndpointPaused);
    wide.extras.expires_at = Some(scene.at(10));
    let mut narrow = scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::EndpointPaused);
    narrow.extras.expires_at = Some(scene.at(11));
    let group = scene.publish(vec![wide, narrow]).await;
    let first = scene.store.expire(scene.at(60), scene.at(60), 100).await.unwrap();
    assert!(first.more && first.ended.len() < 1_200, "{} at once", first.ended.len());
    let rest = expire(scene, scene.at(60), 100).await;
    assert_eq!(first.ended.len() + rest.len(), 1_201);
    assert_eq!(rest.last(), Some(&group.messages[1].message.id.delivery(1)));
}

pub async fn a_retried_delivery_of_an_expired_message_is_looked_at_again(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut draft = scene.draft(&[&endpoint]);
    draft.extras.expires_at = Some(scene.at(10));
    let group = scene.publish(vec![draft]).await;
    let delivery = group.messages[0].message.id.delivery(1);
    let owed = Owed { endpoint: endpoint.id, delivery, from: From::Batch(group.batch), batch: group.batch };
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, fail())]).await;
    assert_eq!(expire(scene, scene.at(10), 10).await, []);
    scene.store.retry_delivery(delivery, scene.at(11)).await.unwrap();
    assert_eq!(expire(scene, scene.at(11), 10).await, [delivery]);
    assert_eq!(scene.word(delivery).await, "cancelled");
}
