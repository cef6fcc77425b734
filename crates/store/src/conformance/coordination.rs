//! Nodes, leases and shards, as far as one process shows them; the rest stands in `many_nodes`.

use super::catalog::{conflict, topic};
use super::scene::{Scene, all_shards, info};
use crate::queue::Rest;
use crate::{Flush, Result, ShardSet, StoreError};

pub(super) fn lost<T>(result: &Result<T>) -> bool {
    matches!(result, Err(StoreError::LeaseLost))
}

pub async fn each_start_is_another_node(scene: &Scene) {
    let mut joined = vec![scene.first];
    for _ in 0..5 {
        joined.push(scene.store.join(&info()).await.unwrap());
    }
    for (index, one) in joined.iter().enumerate() {
        for other in &joined[..index] {
            assert_ne!(one.node, other.node);
            assert_ne!(one.number, other.number, "ids would meet");
        }
        assert!(one.number < 1_000, "the numbers above are for messages that no node mints");
    }
}

pub async fn a_node_that_was_taken_over_is_told(scene: &Scene) {
    let version = scene.store.changes(crate::CatalogVersion(0)).await.unwrap().version;
    scene.store.beat(scene.node(), version).await.unwrap();
    let successor = scene.successor().await;
    assert!(lost(&scene.store.beat(scene.node(), version).await));
    scene.store.beat(successor.node, version).await.unwrap();
    let peers = scene.store.peers().await.unwrap();
    assert_eq!(peers.iter().map(|peer| peer.node).collect::<Vec<_>>(), [successor.node]);
    assert_eq!(peers[0].info, info());
}

pub async fn a_shard_has_one_owner_until_it_is_given_back(scene: &Scene) {
    let store = &scene.store;
    let first = store.claim_shards(scene.node(), 10, scene.now).await.unwrap();
    assert_eq!(first.len(), 10);
    let rest = store.claim_shards(scene.node(), 1_000, scene.now).await.unwrap();
    assert_eq!(rest.len(), 246);
    let all: ShardSet = first.iter().chain(&rest).copied().collect();
    assert_eq!(all, all_shards());
    assert!(store.claim_shards(scene.node(), 1, scene.now).await.unwrap().is_empty());
    store.release_shards(scene.node(), &first[..2]).await.unwrap();
    let mut again = store.claim_shards(scene.node(), 1_000, scene.now).await.unwrap();
    again.sort_unstable();
    let mut given_back = first[..2].to_vec();
    given_back.sort_unstable();
    assert_eq!(again, given_back);
    assert_eq!(store.peers().await.unwrap()[0].shards, 256);
    // A dead node's are free.
    let successor = scene.successor().await;
    assert_eq!(store.claim_shards(successor.node, 1_000, scene.now).await.unwrap().len(), 256);
}

pub async fn a_beat_tells_the_catalogs_version(scene: &Scene) {
    let before = scene.store.changes(crate::CatalogVersion(0)).await.unwrap().version;
    let beat = scene.store.beat(scene.node(), before).await.unwrap();
    assert_eq!(beat.catalog, before);
    assert!(beat.now >= scene.now, "the database's clock goes on");
    scene.store.create_topic(&topic(scene, 1, None, "a")).await.unwrap();
    let beat = scene.store.beat(scene.node(), before).await.unwrap();
    assert!(beat.catalog > before);
    let peers = scene.store.peers().await.unwrap();
    assert_eq!(peers[0].applied, before, "what the node has applied, not what there is");
    assert!(peers[0].beat >= 2);
}

pub async fn a_node_that_left_writes_nothing(scene: &Scene) {
    let owed = scene.one_waiting().await;
    scene.store.leave(scene.node()).await.unwrap();
    assert!(scene.store.peers().await.unwrap().is_empty());
    let group = scene.group(vec![scene.draft(&[])]).await;
    assert!(lost(&scene.store.publish(scene.node(), &group).await));
    assert!(scene.store.record(scene.node(), &Flush::default()).await.unwrap().stale);
    let asleep = scene.store.rest_lane(scene.node(), owed.lane(), 0, Rest::Asleep).await;
    assert!(lost(&asleep) || !asleep.unwrap());
    assert!(scene.ready(scene.now).await.contains(&owed.lane()), "the lane belongs to others");
    assert_eq!(conflict(scene.store.claim_shards(scene.node(), 1, scene.now).await), None);
    let claimed = scene.store.claim_shards(scene.node(), 1, scene.now).await;
    assert!(lost(&claimed) || claimed.unwrap().is_empty());
}

pub async fn housekeeping_can_be_repeated(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    for seconds in [0, 1, 1, 100_000, 200_000, 86_400 * 40] {
        scene.store.maintain(scene.at(seconds)).await.unwrap();
    }
    assert_eq!(scene.word(owed.delivery).await, "batch");
}
