//! Taking what a gone node left.

use posthaste_core::delivery::Next;

use super::coordination::lost;
use super::scene::{Owed, Scene, fail, left, retry};
use crate::queue::From;

/// F1: what is left follows from the placement rule, not from who tried what.
pub async fn what_is_left_of_a_batch_is_what_is_in_no_other_place(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let group = scene.publish(vec![scene.draft(&[&endpoint; 5]), scene.draft(&[]), scene.draft(&[&endpoint])]).await;
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
        scene.attempted(&owed(2), 1, number, retry(scene.at(5))),
        scene.attempted(&owed(3), 1, number, fail()),
    ];
    scene.record(settled).await;
    let successor = scene.successor().await;
    let claimed = scene.claim_all(successor.node).await;
    assert_eq!(claimed.len(), 1);
    let last = group.messages[2].message.id;
    assert_eq!(left(&claimed), [id.delivery(4), id.delivery(5), last.delivery(1)]);
    let mut unsent = claimed[0].left.clone();
    unsent.sort_by_key(|unsent| unsent.message.id);
    assert_eq!(unsent.len(), 2);
    for (unsent, new) in unsent.iter().zip([&group.messages[0], &group.messages[2]]) {
        assert_eq!((&unsent.message, &unsent.payload), (&new.message, &Some(new.payload.clone())));
    }
    // It is this node's now, and it can go on with it.
    assert!(scene.claim_all(successor.node).await.is_empty());
    let success = scene.attempted(&owed(4), 1, successor.number, Next::Succeeded);
    assert!(!scene.record_by(successor.node, vec![success]).await.stale);
    assert_eq!(scene.word(id.delivery(4)).await, "succeeded");
}

pub async fn a_batch_of_which_nothing_is_left_goes_away(scene: &Scene) {
    let (done, open) = (scene.one_in_batch().await, scene.one_in_batch().await);
    scene.record(vec![scene.attempted(&done, 1, scene.first.number, Next::Succeeded)]).await;
    let successor = scene.successor().await;
    let claimed = scene.claim_all(successor.node).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.batch).collect::<Vec<_>>(), [open.batch]);
    assert_eq!(scene.word(done.delivery).await, "succeeded");
    let next = scene.store.join(&super::scene::info()).await.unwrap();
    if let Some(peer) = scene.store.peers().await.unwrap().iter().find(|peer| peer.node == successor.node) {
        assert!(scene.store.take_over(peer.node, peer.beat).await.unwrap());
    }
    let claimed = scene.claim_all(next.node).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.batch).collect::<Vec<_>>(), [open.batch]);
}

pub async fn no_more_batches_are_claimed_than_asked_for(scene: &Scene) {
    let mut owed = Vec::new();
    for _ in 0..5 {
        owed.push(scene.one_in_batch().await.delivery);
    }
    let successor = scene.successor().await;
    let mut claimed = scene.store.claim_batches(successor.node, 2).await.unwrap();
    assert_eq!(claimed.len(), 2);
    claimed.extend(scene.store.claim_batches(successor.node, 2).await.unwrap());
    assert_eq!(claimed.len(), 4);
    claimed.extend(scene.store.claim_batches(successor.node, 2).await.unwrap());
    assert_eq!(left(&claimed), owed);
}

pub async fn a_node_that_was_taken_over_claims_nothing(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let successor = scene.successor().await;
    let claimed = scene.store.claim_batches(scene.node(), 10).await;
    assert!(lost(&claimed) || claimed.unwrap().is_empty());
    assert_eq!(left(&scene.claim_all(successor.node).await), [owed.delivery]);
}

pub async fn what_was_cancelled_is_not_claimed(scene: &Scene) {
    let (gone, open) = (scene.one_in_batch().await, scene.one_in_batch().await);
    scene.store.cancel_delivery(gone.delivery, scene.now).await.unwrap();
    let successor = scene.successor().await;
    assert_eq!(left(&scene.claim_all(successor.node).await), [open.delivery]);
}
