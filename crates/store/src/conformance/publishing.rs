//! Accepting messages: the group commit.

use std::time::Duration;

use bytes::Bytes;
use posthaste_core::delivery::{Next, Placement};
use posthaste_core::message::Origin;
use posthaste_core::{Endpoint, WaitingFor};

use super::catalog::topic;
use super::coordination::lost;
use super::scene::{Scene, first, left, notes};
use crate::queue::{BatchRow, IdempotencyKey, Owner, Wait};
use crate::{Accepted, Flush, Published};

pub async fn a_committed_message_reads_back_as_it_was_given(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut draft = scene.draft(&[&endpoint]).uid("mine");
    draft.payload = Bytes::from_static(b"\0 not \xff text \xc3\x28");
    draft.extras.headers = notes(&[("x-a", "b")]);
    draft.extras.metadata = notes(&[("k", "v"), ("nul", "\u{0000}")]);
    draft.extras.ordering_key = Some("order 7".to_owned());
    draft.extras.expires_at = Some(scene.at(99));
    draft.extras.origin = Origin::Event;
    let mut group = scene.group(vec![draft, scene.draft(&[])]).await;
    let message = std::sync::Arc::make_mut(&mut group.messages[0].message);
    message.deliver_at = Some(scene.at(7));
    message.content_type = String::from("application/x-odd; a=\"b\"");
    group.messages[1].payload = Bytes::new();
    assert_eq!(scene.commit(&group).await, [Accepted::New, Accepted::New]);
    for new in &group.messages {
        let read = scene.store.message(new.message.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(new.message.as_ref()));
        assert_eq!(scene.store.payload(new.message.id).await.unwrap(), Some(new.payload.clone()));
    }
    let by_uid = scene.store.message_by_uid(&scene.tenant, "mine").await.unwrap();
    assert_eq!(by_uid.map(|message| message.id), Some(group.messages[0].message.id));
    assert_eq!(scene.store.message_by_uid(&"other".parse().unwrap(), "mine").await.unwrap(), None);
    let delivery = scene.delivery(first(&group)).await;
    assert_eq!((delivery.endpoint, delivery.endpoint_revision), (endpoint.id, 1));
    assert_eq!((delivery.placement, delivery.deliver_at), (Placement::Batch, Some(scene.at(7))));
    assert_eq!((delivery.tenant, delivery.topic), (scene.tenant.clone(), group.messages[0].message.topic.clone()));
    // There is no second target.
    assert_eq!(scene.store.delivery(group.messages[0].message.id.delivery(2)).await.unwrap(), None);
}

/// F3: a repeat must not bring back a batch, or a row of `due`, that was finished meanwhile.
pub async fn a_repeat_of_a_commit_whose_reply_was_lost_has_the_same_answer_and_no_effect(scene: &Scene) {
    let (direct, waiting) = (scene.endpoint().await, scene.endpoint().await);
    let mut draft = scene.draft(&[&direct, &waiting]).key("k", 1).uid("u");
    draft.waits = vec![Wait { position: 2, due_at: scene.now, waiting_for: WaitingFor::Schedule, order: 0 }];
    let group = scene.publish(vec![draft]).await;
    let (sent, waited) = (first(&group), group.messages[0].message.id.delivery(2));
    assert_eq!(scene.commit(&group).await, [Accepted::New], "at once");
    let batch = super::scene::Owed {
        endpoint: direct.id,
        delivery: sent,
        from: crate::queue::From::Batch(group.batch),
        batch: group.batch,
    };
    let due = super::scene::Owed { endpoint: waiting.id, delivery: waited, ..batch }.after(0);
    let settled = vec![
        scene.attempted(&batch, 1, scene.first.number, Next::Succeeded),
        scene.attempted(&due, 1, scene.first.number, Next::Succeeded),
    ];
    let flush = Flush { settled, finished: vec![group.batch], ..Flush::default() };
    scene.store.record(scene.node(), &flush).await.unwrap();
    assert_eq!(scene.commit(&group).await, [Accepted::New], "after everything was done");
    assert_eq!((scene.word(sent).await, scene.word(waited).await), ("succeeded", "succeeded"));
    // The catalog has moved too since, which is no reason to publish it once more under other ids.
    scene.store.create_topic(&topic(scene, 1, None, "a")).await.unwrap();
    assert_eq!(scene.commit(&group).await, [Accepted::New], "and later still");
    assert_eq!((scene.word(sent).await, scene.word(waited).await), ("succeeded", "succeeded"));
    let successor = scene.successor().await;
    assert!(left(&scene.claim_all(successor.node).await).is_empty());
    let rows = scene.store.lane_due(waiting.id, None, scene.at(1_000), 10).await.unwrap();
    assert!(rows.is_empty(), "the finished row is back: {rows:?}");
}

/// F14.
pub async fn nothing_is_written_if_the_catalog_moved_since_the_match(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let draft = scene.draft(&[&endpoint]).key("k", 1).uid("u");
    let group = scene.group(vec![draft.clone()]).await;
    let paused = Endpoint { state: posthaste_core::EndpointState::Paused, revision: 2, ..endpoint.clone() };
    scene.store.update_endpoint(&paused, None).await.unwrap();
    assert_eq!(scene.store.publish(scene.node(), &group).await.unwrap(), Published::CatalogMoved);
    assert_eq!(scene.store.message(group.messages[0].message.id).await.unwrap(), None);
    assert_eq!(scene.store.payload(group.messages[0].message.id).await.unwrap(), None);
    assert_eq!(scene.store.message_by_uid(&scene.tenant, "u").await.unwrap(), None);
    // Key and uid were not used up.
    scene.publish(vec![draft]).await;
}

pub async fn a_node_that_was_taken_over_publishes_nothing(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let group = scene.group(vec![scene.draft(&[&endpoint])]).await;
    let successor = scene.successor().await;
    assert!(lost(&scene.store.publish(scene.node(), &group).await));
    assert_eq!(scene.store.message(group.messages[0].message.id).await.unwrap(), None);
    assert!(left(&scene.claim_all(successor.node).await).is_empty());
}

/// F9: the loser reads the winner.
pub async fn a_used_key_gives_the_first_message_again(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let original = scene.publish(vec![scene.draft(&[&endpoint]).key("k", 1)]).await;
    let original = &original.messages[0].message;
    let same = scene.draft(&[&endpoint, &endpoint]).key("k", 1);
    let other = scene.draft(&[&endpoint]).key("k", 2);
    let neighbour = scene.draft(&[&endpoint]).key("k2", 1);
    let group = scene.group(vec![same, neighbour]).await;
    let duplicate = |same_request| Accepted::Duplicate {
        original: original.id,
        same_request,
        topic: original.topic.clone(),
        deliveries: Some(1),
    };
    assert_eq!(scene.commit(&group).await, [duplicate(true), Accepted::New]);
    assert_eq!(scene.store.message(group.messages[0].message.id).await.unwrap(), None);
    assert_eq!(scene.store.delivery(first(&group)).await.unwrap(), None);
    assert_eq!(scene.word(group.messages[1].message.id.delivery(1)).await, "batch");
    let group = scene.group(vec![other]).await;
    assert_eq!(scene.commit(&group).await, [duplicate(false)]);
    // A group of nothing but duplicates leaves no batch behind.
    let successor = scene.successor().await;
    let claimed = scene.claim_all(successor.node).await;
    assert!(claimed.iter().all(|claimed| claimed.batch != group.batch));
}

pub async fn a_key_belongs_to_its_tenant_and_verb(scene: &Scene) {
    let draft = scene.draft(&[]).key("k", 1);
    let mut verb = draft.clone();
    verb.key = Some(IdempotencyKey { verb: "events", key: "k".to_owned(), request_hash: [1; 32] });
    // Long, and with characters that mean something elsewhere.
    let long = scene.draft(&[]).key(&"%_'\\ü".repeat(42), 1);
    scene.publish(vec![draft.clone(), draft.clone().tenant("other"), verb, long.clone()]).await;
    let group = scene.group(vec![draft.tenant("third"), long]).await;
    let accepted = scene.commit(&group).await;
    assert_eq!(accepted[0], Accepted::New);
    assert!(matches!(accepted[1], Accepted::Duplicate { same_request: true, .. }));
}

pub async fn a_key_outlives_a_rotation_for_a_day(scene: &Scene) {
    let draft = scene.draft(&[]).key("k", 1);
    let hour = Duration::from_hours(1);
    for hours in 0..200 {
        scene.store.maintain(scene.now + hour * hours).await.unwrap();
    }
    scene.publish(vec![draft.clone()]).await;
    for hours in 200..223 {
        scene.store.maintain(scene.now + hour * hours).await.unwrap();
    }
    let group = scene.group(vec![draft]).await;
    let accepted = scene.commit(&group).await;
    assert!(matches!(accepted[0], Accepted::Duplicate { same_request: true, .. }), "{accepted:?}");
}

pub async fn a_taken_uid_refuses_its_message_alone(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let taken = scene.publish(vec![scene.draft(&[]).uid("x"), scene.draft(&[]).uid("x").tenant("other")]).await;
    let drafts = vec![scene.draft(&[&endpoint]).key("k", 1).uid("x"), scene.draft(&[&endpoint]).uid("y")];
    let group = scene.group(drafts).await;
    let accepted = scene.commit(&group).await;
    assert_eq!(accepted, [Accepted::UidTaken(taken.messages[0].message.id), Accepted::New]);
    assert_eq!(scene.store.message(group.messages[0].message.id).await.unwrap(), None);
    // An endpoint's uid is of another kind.
    let named = Endpoint { uid: Some("x".to_owned()), ..scene.unstored_endpoint() };
    scene.store.create_endpoint(&named, 10).await.unwrap();
}

pub async fn a_group_without_direct_targets_has_no_batch(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let waiting = scene.draft(&[&endpoint]).waits(scene.at(60), WaitingFor::Schedule);
    let group = scene.publish(vec![waiting, scene.draft(&[])]).await;
    let due = scene.due(first(&group)).await;
    assert_eq!((due.due_at, due.waiting_for), (scene.at(60), WaitingFor::Schedule));
    assert_eq!((due.order, due.seq, due.sending_by), (0, 0, None));
    assert_eq!((due.endpoint, due.progress), (endpoint.id, posthaste_core::delivery::Progress::default()));
    let successor = scene.successor().await;
    assert!(scene.claim_all(successor.node).await.is_empty());
}

pub async fn groups_that_share_a_batch_are_claimed_together(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let one = scene.publish(vec![scene.draft(&[&endpoint])]).await;
    let mut other = scene.group(vec![scene.draft(&[&endpoint])]).await;
    other.batch = one.batch;
    other.row = BatchRow::Exists;
    std::sync::Arc::make_mut(&mut other.messages[0].message).batch = one.batch;
    assert_eq!(scene.commit(&other).await, [Accepted::New]);
    assert_eq!((scene.word(first(&one)).await, scene.word(first(&other)).await), ("batch", "batch"));
    let successor = scene.successor().await;
    let claimed = scene.claim_all(successor.node).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.batch).collect::<Vec<_>>(), [one.batch]);
    assert_eq!(left(&claimed), [first(&one), first(&other)]);
}

pub async fn a_group_without_owner_is_there_to_be_claimed(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let owned = scene.publish(vec![scene.draft(&[&endpoint])]).await;
    let mut free = scene.group(vec![scene.draft(&[&endpoint])]).await;
    free.owner = Owner::Nobody;
    scene.commit(&free).await;
    let claimed = scene.claim_all(scene.node()).await;
    assert_eq!(left(&claimed), [first(&free)], "and one's own batch is not claimed: {:?}", owned.batch);
    assert!(scene.claim_all(scene.node()).await.is_empty(), "it is owned now");
}

/// F17, F11: positions, not rows.
pub async fn a_message_with_many_targets_is_placed_target_by_target(scene: &Scene) {
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(scene.endpoint().await);
    }
    let many: Vec<&Endpoint> = endpoints.iter().cycle().take(2_000).collect();
    let mut draft = scene.draft(&many);
    let every_third = (3..=1_998).step_by(3);
    draft.waits = every_third
        .map(|position| Wait { position, due_at: scene.now, waiting_for: WaitingFor::EndpointPaused, order: 0 })
        .collect();
    let group = scene.publish(vec![draft]).await;
    let id = group.messages[0].message.id;
    for (position, place) in [(1, "batch"), (3, "due"), (1_998, "due"), (1_999, "batch"), (2_000, "batch")] {
        assert_eq!(scene.word(id.delivery(position)).await, place, "{position}");
    }
    assert_eq!(scene.store.message(id).await.unwrap().unwrap().targets.len(), 2_000);
    let successor = scene.successor().await;
    let left = left(&scene.claim_all(successor.node).await);
    assert_eq!(left.len(), 2_000 - 666);
    assert!(left.iter().all(|delivery| delivery.position() % 3 != 0 || delivery.position() > 1_998));
}
