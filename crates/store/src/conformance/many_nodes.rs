//! What only several processes on one database can show.

use std::sync::Arc;

use futures_util::future::join;
use posthaste_core::delivery::Next;
use posthaste_core::{Lane, WaitingFor};

use super::catalog::topic;
use super::coordination::lost;
use super::jobs::job;
use super::scene::{Draft, Owed, Scene, first, info, left, retry};
use crate::jobs::JobKind;
use crate::queue::{From, Owner};
use crate::{Accepted, CatalogVersion, Flush, Group, Published, Store};

pub async fn a_beat_that_moved_is_not_taken_over(scene: &Scene) {
    let other = scene.another().await;
    let watcher = other.join(&info()).await.unwrap();
    let seen = other.peers().await.unwrap().into_iter().find(|peer| peer.node == scene.node()).unwrap();
    scene.store.beat(scene.node(), CatalogVersion(0)).await.unwrap();
    assert!(!other.take_over(scene.node(), seen.beat).await.unwrap());
    scene.store.beat(scene.node(), CatalogVersion(0)).await.unwrap();
    let seen = other.peers().await.unwrap().into_iter().find(|peer| peer.node == scene.node()).unwrap();
    assert!(other.take_over(scene.node(), seen.beat).await.unwrap());
    assert!(!other.take_over(scene.node(), seen.beat).await.unwrap(), "it is gone");
    assert!(lost(&scene.store.beat(scene.node(), CatalogVersion(0)).await));
    other.beat(watcher.node, CatalogVersion(0)).await.unwrap();
}

pub async fn a_taken_over_nodes_shards_and_batches_are_free(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    scene.store.claim_shards(scene.node(), 256, scene.now).await.unwrap();
    let other = scene.another().await;
    let watcher = other.join(&info()).await.unwrap();
    assert!(other.claim_shards(watcher.node, 256, scene.now).await.unwrap().is_empty());
    let seen = other.peers().await.unwrap().into_iter().find(|peer| peer.node == scene.node()).unwrap();
    assert_eq!(seen.shards, 256);
    assert!(other.take_over(scene.node(), seen.beat).await.unwrap());
    assert_eq!(other.claim_shards(watcher.node, 256, scene.now).await.unwrap().len(), 256);
    assert_eq!(left(&other.claim_batches(watcher.node, 10).await.unwrap()), [owed.delivery]);
}

pub async fn a_live_nodes_batch_is_not_claimed(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    assert!(other.claim_batches(node, 10).await.unwrap().is_empty());
    scene.store.leave(scene.node()).await.unwrap();
    assert_eq!(left(&other.claim_batches(node, 10).await.unwrap()), [owed.delivery]);
}

pub async fn a_live_nodes_job_is_not_anothers(scene: &Scene) {
    let job = job(scene, 1, JobKind::Replay);
    scene.store.create_job(&job).await.unwrap();
    assert_eq!(scene.store.claim_job(scene.node()).await.unwrap().map(|claimed| claimed.id), Some(job.id));
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    assert!(other.claim_job(node).await.unwrap().is_none(), "somebody works on it");
    scene.store.leave(scene.node()).await.unwrap();
    assert_eq!(other.claim_job(node).await.unwrap().map(|claimed| claimed.id), Some(job.id));
}

pub async fn two_claimers_never_get_the_same_batch(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut expected = Vec::new();
    for _ in 0..20 {
        let mut group = scene.group(vec![scene.draft(&[&endpoint])]).await;
        group.owner = Owner::Nobody;
        scene.commit(&group).await;
        expected.push(first(&group));
    }
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    let claim = async |store: &Arc<dyn Store>, node| {
        let mut claimed = Vec::new();
        loop {
            let some = store.claim_batches(node, 3).await.unwrap();
            if some.is_empty() {
                return claimed;
            }
            claimed.extend(some);
        }
    };
    let (mut mine, theirs) = join(claim(&scene.store, scene.node()), claim(&other, node)).await;
    mine.extend(theirs);
    // A locked batch is skipped, not waited for; what both skipped is still there.
    mine.extend(claim(&scene.store, scene.node()).await);
    assert_eq!(left(&mine), expected);
}

pub async fn no_shard_has_two_owners(scene: &Scene) {
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    let claim = async |store: &Arc<dyn Store>, node| {
        let mut claimed = Vec::new();
        for _ in 0..16 {
            claimed.extend(store.claim_shards(node, 16, scene.now).await.unwrap());
        }
        claimed
    };
    let (mine, theirs) = join(claim(&scene.store, scene.node()), claim(&other, node)).await;
    let mut all = [mine, theirs].concat();
    all.extend(claim(&scene.store, scene.node()).await);
    all.sort_unstable();
    assert_eq!(all, (0..=u8::MAX).collect::<Vec<_>>());
    assert_eq!(other.peers().await.unwrap().iter().map(|peer| peer.shards).sum::<u32>(), 256);
}

/// Publishes as a committer does: what is busy is published alone, until everything has its answer.
async fn publish(store: &Arc<dyn Store>, node: posthaste_core::id::NodeId, group: Group) -> Vec<Accepted> {
    let mut answers = Vec::new();
    let mut todo = vec![group];
    while let Some(group) = todo.pop() {
        match store.publish(node, &group).await.unwrap() {
            Published::Committed(accepted) => {
                answers.extend(group.messages.iter().map(|new| new.message.id).zip(accepted));
            }
            Published::KeysBusy(busy) => {
                let part = |keep: bool| {
                    let numbered = group.messages.iter().enumerate();
                    let messages = numbered.filter(|(index, _)| busy.contains(index) == keep);
                    messages.map(|(_, new)| new.clone()).collect::<Vec<_>>()
                };
                for messages in part(true).into_iter().map(|one| vec![one]).chain([part(false)]) {
                    if !messages.is_empty() {
                        todo.push(Group { messages, ..group.clone() });
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    answers.sort_by_key(|(id, _)| *id);
    answers.into_iter().map(|(_, accepted)| accepted).collect()
}

/// F9: measured as `deadlock detected` before the keys were sorted.
pub async fn group_commits_with_the_same_keys_in_opposite_order_both_commit(scene: &Scene) {
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    for round in 0..10 {
        let keys: Vec<String> = (0..20).map(|key| format!("{round}-{key}")).collect();
        let drafts =
            |keys: Vec<&String>| keys.into_iter().map(|key| scene.draft(&[]).key(key, 1)).collect::<Vec<Draft>>();
        let forward = scene.group(drafts(keys.iter().collect())).await;
        let backward = scene.group(drafts(keys.iter().rev().collect())).await;
        let (mine, mut theirs) =
            join(publish(&scene.store, scene.node(), forward), publish(&other, node, backward)).await;
        theirs.reverse();
        for (mine, theirs) in mine.iter().zip(&theirs) {
            let new = [mine, theirs].iter().filter(|accepted| ***accepted == Accepted::New).count();
            assert_eq!(new, 1, "{mine:?} and {theirs:?}");
        }
    }
}

pub async fn of_many_publishes_with_one_key_one_is_new(scene: &Scene) {
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    let mut groups = Vec::new();
    for _ in 0..8 {
        groups.push(scene.group(vec![scene.draft(&[]).key("k", 1)]).await);
    }
    let theirs = groups.split_off(4);
    let all = async |store: &Arc<dyn Store>, node, groups: Vec<Group>| {
        let mut accepted = Vec::new();
        for group in groups {
            accepted.extend(publish(store, node, group).await);
        }
        accepted
    };
    let (mine, theirs) = join(all(&scene.store, scene.node(), groups), all(&other, node, theirs)).await;
    let answers = [mine, theirs].concat();
    assert_eq!(answers.iter().filter(|accepted| **accepted == Accepted::New).count(), 1, "{answers:?}");
    let originals = answers.iter().filter_map(|accepted| match accepted {
        Accepted::Duplicate { original, same_request: true, .. } => Some(original),
        _ => None,
    });
    let originals: std::collections::BTreeSet<_> = originals.collect();
    assert_eq!(originals.len(), 1);
}

/// F7: two nodes publish into one order at once.
pub async fn the_order_of_an_ordered_lane_is_the_order_of_its_commits(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let other = scene.another().await;
    let node = other.join(&info()).await.unwrap().node;
    let lane = Lane::ordered(endpoint.id, None);
    let run = async |store: &Arc<dyn Store>, node| {
        let mut committed = Vec::new();
        for _ in 0..15 {
            let group = scene.group(vec![scene.draft(&[&endpoint]).ordered(scene.now); 2]).await;
            assert_eq!(publish(store, node, group.clone()).await, [Accepted::New, Accepted::New]);
            // Whoever has the answer reads a lane in which it stands, behind everything that was answered before.
            let head = store.lane_head(lane, 1_000).await.unwrap();
            let order: Vec<_> = head.iter().map(|row| row.due.delivery).collect();
            committed.extend(group.messages.iter().map(|new| new.message.id.delivery(1)));
            let own: Vec<_> = order.iter().filter(|delivery| committed.contains(delivery)).copied().collect();
            assert_eq!(own, committed);
        }
    };
    join(run(&scene.store, scene.node()), run(&other, node)).await;
    let head = scene.store.lane_head(lane, 1_000).await.unwrap();
    assert_eq!(head.len(), 60);
    assert!(head.windows(2).all(|pair| pair[0].due.seq < pair[1].due.seq), "every place is one delivery's");
}

pub async fn nodes_see_one_another_and_what_they_have_applied(scene: &Scene) {
    let other = scene.another().await;
    let joined = other.join(&info()).await.unwrap();
    other.create_topic(&topic(scene, 1, None, "a")).await.unwrap();
    let newest = scene.store.beat(scene.node(), CatalogVersion(0)).await.unwrap().catalog;
    other.beat(joined.node, newest).await.unwrap();
    let peers = scene.store.peers().await.unwrap();
    assert_eq!(peers.len(), 2);
    let theirs = peers.iter().find(|peer| peer.node == joined.node).unwrap();
    assert_eq!((theirs.number, theirs.applied), (joined.number, newest));
    assert_ne!(joined.number, scene.first.number);
    assert!(scene.store.changes(CatalogVersion(0)).await.unwrap().everyone);
}

/// F4: measured as two places before the fence was locked.
pub async fn a_record_and_a_take_over_never_leave_a_delivery_in_two_places(scene: &Scene) {
    let other = scene.another().await;
    let watcher = other.join(&info()).await.unwrap();
    for round in 0..10 {
        let mortal = scene.store.join(&info()).await.unwrap();
        let endpoint = scene.endpoint().await;
        let group = scene.group(vec![scene.draft(&[&endpoint]); 3]).await;
        assert_eq!(publish(&scene.store, mortal.node, group.clone()).await.len(), 3);
        let owed = [0, 1, 2].map(|index: usize| Owed {
            endpoint: endpoint.id,
            delivery: group.messages[index].message.id.delivery(1),
            from: From::Batch(group.batch),
            batch: group.batch,
        });
        let wait = Next::Wait { due_at: scene.now, waiting_for: WaitingFor::InFlight };
        let settled = vec![
            scene.attempted(&owed[0], 1, mortal.number, retry(scene.now)),
            scene.attempted(&owed[1], 1, mortal.number, Next::Succeeded),
            scene.moved(&owed[2], wait),
        ];
        let flush = Flush { settled, ..Flush::default() };
        let taking = async {
            let peers = other.peers().await.unwrap();
            let beat = peers.iter().find(|peer| peer.node == mortal.node).unwrap().beat;
            assert!(other.take_over(mortal.node, beat).await.unwrap());
            left(&other.claim_batches(watcher.node, 10).await.unwrap())
        };
        let (recorded, mut claimed) = join(scene.store.record(mortal.node, &flush), taking).await;
        let stale = recorded.unwrap().stale;
        // A batch that the stale owner had locked was passed over, and is there for the next look.
        claimed.extend(left(&other.claim_batches(watcher.node, 10).await.unwrap()));
        for owed in &owed {
            let waiting = scene.word(owed.delivery).await == "due";
            let taken = claimed.contains(&owed.delivery);
            let succeeded = owed.delivery == group.messages[1].message.id.delivery(1);
            // A success that came after the claim was read is known when the new owner writes; it is in flight twice.
            assert!(succeeded || waiting != taken, "round {round}, stale {stale}: {owed:?}");
            assert_eq!(waiting, !succeeded && !stale, "round {round}");
        }
    }
}
