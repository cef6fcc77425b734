//! Writing what happened: every fault here once lost or doubled a delivery.

use posthaste_core::delivery::{Next, Placement};
use posthaste_core::{CloseReason, DeliveryStatus, Outcome, WaitingFor};

use super::scene::{Owed, Scene, fail, left, retry};
use crate::queue::{Exchange, FollowKind, From};
use crate::{Flush, Follow, Health, Page};

pub async fn a_success_is_kept_with_its_response(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let settled = scene.attempted(&owed, 1, scene.first.number, Next::Succeeded);
    let Some(Exchange { attempt, capture }) = settled.attempt.clone() else { panic!("an exchange was made") };
    let recorded = scene.record(vec![settled]).await;
    assert!(!recorded.stale && recorded.cancelled.is_empty());
    let succeeded = Placement::Succeeded {
        attempt: attempt.id,
        number: 1,
        at: attempt.at,
        duration_micros: attempt.duration_micros,
        status_code: Some(200),
    };
    assert_eq!(scene.place(owed.delivery).await, succeeded);
    let read = scene.store.attempt(attempt.id).await.unwrap();
    assert_eq!(read, Some((attempt, capture)));
}

pub async fn a_failure_waits_with_its_progress(scene: &Scene) {
    for owed in [scene.one_in_batch().await, scene.one_waiting().await] {
        let settled = scene.attempted(&owed, 1, scene.first.number, retry(scene.at(60)));
        let (progress, attempt) = (settled.progress.clone(), settled.attempt.clone().unwrap().attempt);
        scene.record(vec![settled]).await;
        let due = scene.due(owed.delivery).await;
        assert_eq!((due.due_at, due.waiting_for, &due.progress), (scene.at(60), WaitingFor::Retry, &progress));
        let read = scene.store.attempt(attempt.id).await.unwrap().unwrap().0;
        assert_eq!((read.outcome, read), (Outcome::Rejected, attempt));
        assert!(scene.ready(scene.at(60)).await.contains(&owed.lane()));
    }
}

pub async fn a_last_failure_is_a_dead_letter(scene: &Scene) {
    for owed in [scene.one_in_batch().await, scene.one_waiting().await] {
        let settled = scene.attempted(&owed, 1, scene.first.number, fail());
        let progress = settled.progress.clone();
        scene.record(vec![settled]).await;
        let Placement::Closed(closed) = scene.place(owed.delivery).await else { panic!("it is closed") };
        assert_eq!((closed.status, closed.reason), (DeliveryStatus::Failed, CloseReason::AttemptsExhausted));
        assert_eq!((closed.at, closed.progress, closed.endpoint), (scene.at(1), progress, owed.endpoint));
        let rows = scene.store.lane_due(owed.endpoint, None, scene.at(1_000), 10).await.unwrap();
        assert!(rows.is_empty());
    }
    // One that is only ended, without an exchange.
    let owed = scene.one_in_batch().await;
    let close = Next::Close { status: DeliveryStatus::Cancelled, reason: CloseReason::EndpointDeleted };
    scene.record(vec![scene.moved(&owed, close)]).await;
    assert_eq!(scene.word(owed.delivery).await, "cancelled");
}

/// F3: a flush whose reply was lost is written again, when others have gone on already.
pub async fn a_repeated_record_changes_nothing(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let number = scene.first.number;
    let failure = scene.attempted(&owed, 1, number, retry(scene.now));
    scene.record(vec![failure.clone()]).await;
    scene.record(vec![failure.clone()]).await;
    assert_eq!(scene.due(owed.delivery).await.progress.attempts, 1);
    let second = scene.attempted(&owed.after(1), 2, number, retry(scene.at(5)));
    scene.record(vec![second.clone()]).await;
    scene.record(vec![failure.clone()]).await;
    assert_eq!(scene.due(owed.delivery).await.progress.attempts, 2);
    scene.record(vec![scene.attempted(&owed.after(2), 3, number, Next::Succeeded)]).await;
    for repeated in [failure, second] {
        scene.record(vec![repeated]).await;
        assert_eq!(scene.word(owed.delivery).await, "succeeded");
    }
    let attempts = scene.store.attempts(owed.delivery, Page::first(10)).await.unwrap().items;
    assert_eq!(attempts.len(), 3);
    // The same for one that has ended.
    let owed = scene.one_in_batch().await;
    let last = scene.attempted(&owed, 1, number, fail());
    scene.record(vec![last.clone()]).await;
    scene.store.retry_delivery(owed.delivery, scene.at(9)).await.unwrap();
    scene.record(vec![last]).await;
    assert_eq!(scene.word(owed.delivery).await, "due", "the retry is undone");
}

/// F3, F21: a spill has no attempt to hang on.
pub async fn a_repeated_spill_does_not_bring_a_delivery_back(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let wait = Next::Wait { due_at: scene.now, waiting_for: WaitingFor::InFlight };
    let spill = scene.moved(&owed, wait);
    scene.record(vec![spill.clone()]).await;
    assert_eq!(scene.due(owed.delivery).await.waiting_for, WaitingFor::InFlight);
    scene.record(vec![scene.attempted(&owed.after(0), 1, scene.first.number, Next::Succeeded)]).await;
    scene.record(vec![spill]).await;
    assert_eq!(scene.word(owed.delivery).await, "succeeded");
    let rows = scene.store.lane_due(owed.endpoint, None, scene.at(1_000), 10).await.unwrap();
    assert!(rows.is_empty());
}

/// F1: a failure of a node that was taken over is in no place where the new owner could miss it.
pub async fn a_stale_owner_writes_its_successes_only(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let group = scene.publish(vec![scene.draft(&[&endpoint; 4])]).await;
    let id = group.messages[0].message.id;
    let owed = |position| Owed {
        endpoint: endpoint.id,
        delivery: id.delivery(position),
        from: From::Batch(group.batch),
        batch: group.batch,
    };
    let number = scene.first.number;
    let successor = scene.successor().await;
    let settled = vec![
        scene.attempted(&owed(1), 1, number, Next::Succeeded),
        scene.attempted(&owed(2), 1, number, retry(scene.now)),
        scene.attempted(&owed(3), 1, number, fail()),
        scene.moved(&owed(4), Next::Wait { due_at: scene.now, waiting_for: WaitingFor::InFlight }),
    ];
    let health = vec![Health { endpoint: endpoint.id, failing_since: Some(scene.now) }];
    let flush = Flush { settled, health, finished: vec![group.batch], ..Flush::default() };
    assert!(scene.store.record(scene.node(), &flush).await.unwrap().stale);
    let words = [scene.word(id.delivery(1)).await, scene.word(id.delivery(2)).await, scene.word(id.delivery(3)).await];
    assert_eq!(words, ["succeeded", "batch", "batch"]);
    assert_eq!(left(&scene.claim_all(successor.node).await), [id.delivery(2), id.delivery(3), id.delivery(4)]);
}

/// F5.
pub async fn a_stale_success_wins_over_the_new_owners_failure(scene: &Scene) {
    let number = scene.first.number;
    let owed = [scene.one_in_batch().await, scene.one_in_batch().await];
    let successor = scene.successor().await;
    assert_eq!(scene.claim_all(successor.node).await.len(), 2);
    let failures = vec![
        scene.attempted(&owed[0], 1, successor.number, retry(scene.now)),
        scene.attempted(&owed[1], 1, successor.number, fail()),
    ];
    assert!(!scene.record_by(successor.node, failures).await.stale);
    assert_eq!((scene.word(owed[0].delivery).await, scene.word(owed[1].delivery).await), ("due", "failed"));
    let successes = owed.iter().map(|owed| scene.attempted(owed, 1, number, Next::Succeeded)).collect();
    assert!(scene.record(successes).await.stale);
    for owed in owed {
        assert_eq!(scene.word(owed.delivery).await, "succeeded");
        let rows = scene.store.lane_due(owed.endpoint, None, scene.at(1_000), 10).await.unwrap();
        assert!(rows.is_empty(), "it would be sent once more");
    }
    assert_eq!(scene.store.stats(None).await.unwrap().failed, 0, "no dead letter is left of it");
}

/// F5, the other way round.
pub async fn a_failure_after_a_success_of_another_is_not_placed(scene: &Scene) {
    let number = scene.first.number;
    let owed = [scene.one_in_batch().await, scene.one_in_batch().await, scene.one_in_batch().await];
    let successor = scene.successor().await;
    assert_eq!(scene.claim_all(successor.node).await.len(), 3);
    let successes = owed.iter().map(|owed| scene.attempted(owed, 1, number, Next::Succeeded)).collect();
    assert!(scene.record(successes).await.stale);
    let later = vec![
        scene.attempted(&owed[0], 1, successor.number, retry(scene.now)),
        scene.attempted(&owed[1], 1, successor.number, fail()),
        scene.moved(&owed[2], Next::Wait { due_at: scene.now, waiting_for: WaitingFor::InFlight }),
    ];
    scene.record_by(successor.node, later).await;
    for owed in owed {
        assert_eq!(scene.word(owed.delivery).await, "succeeded");
    }
}

/// F2: the number alone is no key.
pub async fn two_nodes_attempts_of_the_same_number_are_both_kept(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let successor = scene.successor().await;
    scene.claim_all(successor.node).await;
    let failure = scene.attempted(&owed, 1, successor.number, retry(scene.now));
    scene.record_by(successor.node, vec![failure]).await;
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, Next::Succeeded)]).await;
    assert_eq!(scene.word(owed.delivery).await, "succeeded");
    assert_eq!(scene.store.attempts(owed.delivery, Page::first(10)).await.unwrap().items.len(), 2);
}

pub async fn a_waiting_delivery_is_settled_only_from_what_was_read(scene: &Scene) {
    let owed = scene.one_waiting().await;
    let number = scene.first.number;
    scene.record(vec![scene.attempted(&owed, 1, number, retry(scene.at(60)))]).await;
    // Somebody who read the row before that has another exchange to tell of.
    scene.record(vec![scene.attempted(&owed, 2, number, fail())]).await;
    assert_eq!(scene.due(owed.delivery).await.progress.attempts, 1);
    scene.record(vec![scene.moved(&owed, retry(scene.at(1)))]).await;
    assert_eq!(scene.due(owed.delivery).await.due_at, scene.at(60));
    // A success is true whatever was read.
    scene.record(vec![scene.attempted(&owed, 3, number, Next::Succeeded)]).await;
    assert_eq!(scene.word(owed.delivery).await, "succeeded");
    // Nor does a failure bring back what has ended.
    scene.record(vec![scene.attempted(&owed.after(1), 4, number, retry(scene.at(1)))]).await;
    assert_eq!(scene.word(owed.delivery).await, "succeeded");
}

pub async fn a_finished_batch_is_gone(scene: &Scene) {
    let (done, open) = (scene.one_in_batch().await, scene.one_in_batch().await);
    let settled = vec![scene.attempted(&done, 1, scene.first.number, Next::Succeeded)];
    let flush = Flush { settled, finished: vec![done.batch], ..Flush::default() };
    for _ in 0..2 {
        scene.store.record(scene.node(), &flush).await.unwrap();
    }
    let successor = scene.successor().await;
    let claimed = scene.claim_all(successor.node).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.batch).collect::<Vec<_>>(), [open.batch]);
}

/// F21.
pub async fn what_is_in_flight_stays_in_its_batch_while_others_are_spilled(scene: &Scene) {
    let (blocked, open) = (scene.endpoint().await, scene.endpoint().await);
    let group = scene.publish(vec![scene.draft(&[&blocked, &open, &blocked])]).await;
    let id = group.messages[0].message.id;
    let from = From::Batch(group.batch);
    let wait = Next::Wait { due_at: scene.at(2), waiting_for: WaitingFor::Breaker };
    let spilled = [1, 3].map(|position| {
        let delivery = id.delivery(position);
        scene.moved(&Owed { endpoint: blocked.id, delivery, from, batch: group.batch }, wait.clone())
    });
    scene.record(spilled.to_vec()).await;
    let words = [scene.word(id.delivery(1)).await, scene.word(id.delivery(2)).await, scene.word(id.delivery(3)).await];
    assert_eq!(words, ["due", "batch", "due"]);
    let successor = scene.successor().await;
    assert_eq!(left(&scene.claim_all(successor.node).await), [id.delivery(2)]);
}

pub async fn an_endpoints_first_failure_is_kept_until_a_success(scene: &Scene) {
    let one = scene.endpoint().await;
    let other = scene.endpoint().await;
    let health =
        |endpoint, seconds: Option<u64>| Health { endpoint, failing_since: seconds.map(|seconds| scene.at(seconds)) };
    for notes in [
        vec![health(one.id, Some(5)), health(other.id, Some(1))],
        vec![health(one.id, Some(3))],
        vec![health(other.id, None)],
    ] {
        let flush = Flush { health: notes, ..Flush::default() };
        scene.store.record(scene.node(), &flush).await.unwrap();
    }
    // Nodes tell in no order: the earliest is the first.
    assert_eq!(scene.store.load_tenant(&scene.tenant).await.unwrap().failing, [(one.id, scene.at(3))]);
}

pub async fn a_follower_is_published_once_however_often_its_delivery_fails(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let dead_letters = scene.endpoint().await;
    let number = scene.first.number;
    let follower = async || {
        let draft = scene.draft(&[&dead_letters]).waits(scene.now, WaitingFor::InFlight);
        let message = scene.group(vec![draft]).await.messages.remove(0);
        Follow { of: owed.delivery, kind: FollowKind::DeadLetter, message }
    };
    let one = follower().await;
    let event = Follow { kind: FollowKind::Event, ..follower().await };
    let settled = vec![scene.attempted(&owed, 1, number, fail())];
    let ids = [one.message.message.id, event.message.message.id];
    let flush = Flush { settled, follow: vec![one, event], ..Flush::default() };
    for _ in 0..2 {
        scene.store.record(scene.node(), &flush).await.unwrap();
    }
    for id in ids {
        assert!(scene.store.message(id).await.unwrap().is_some());
        assert_eq!(scene.word(id.delivery(1)).await, "due");
    }
    assert!(scene.store.payload(ids[0]).await.unwrap().is_some());
    assert_eq!(scene.store.lane_due(dead_letters.id, None, scene.at(1), 10).await.unwrap().len(), 2);
    // Retried, it fails for good again.
    scene.store.retry_delivery(owed.delivery, scene.at(5)).await.unwrap();
    let again = follower().await;
    let id = again.message.message.id;
    let settled = vec![scene.attempted(&owed.after(1), 2, number, fail())];
    let flush = Flush { settled, follow: vec![again], ..Flush::default() };
    scene.store.record(scene.node(), &flush).await.unwrap();
    assert_eq!(scene.word(owed.delivery).await, "failed");
    assert_eq!(scene.store.message(id).await.unwrap(), None);
    // And one whose delivery does not end is not published at all.
    let open = scene.one_in_batch().await;
    let orphan = Follow { of: open.delivery, ..follower().await };
    let id = orphan.message.message.id;
    scene.store.cancel_delivery(open.delivery, scene.now).await.unwrap();
    let settled = vec![scene.attempted(&open, 1, number, fail())];
    let flush = Flush { settled, follow: vec![orphan], ..Flush::default() };
    scene.store.record(scene.node(), &flush).await.unwrap();
    assert_eq!(scene.word(open.delivery).await, "cancelled");
    assert_eq!(scene.store.message(id).await.unwrap(), None);
}
