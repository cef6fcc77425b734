//! `due` and its lanes.

use posthaste_core::delivery::Next;
use posthaste_core::endpoint::OnFailed;
use posthaste_core::{Endpoint, EndpointState, Lane, WaitingFor};

use super::scene::{Owed, Scene, all_shards, fail, first, retry};
use crate::ShardSet;
use crate::queue::{From, Rest};

pub async fn a_lane_is_ready_when_its_first_row_is_due(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    for seconds in [20, 10] {
        scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.at(seconds), WaitingFor::Schedule)]).await;
    }
    assert!(scene.ready(scene.at(9)).await.is_empty());
    assert_eq!(scene.ready(scene.at(10)).await, [Lane::unordered(endpoint.id)]);
    let lanes = scene.store.ready_lanes(&all_shards(), scene.at(10), 10).await.unwrap();
    assert_eq!(lanes[0].tenant, scene.tenant);
}

/// F8: an owner reads its own shards.
pub async fn lanes_of_other_shards_are_not_shown(scene: &Scene) {
    let (one, other) = (scene.one_waiting().await, scene.one_waiting().await);
    assert_ne!(one.endpoint.shard(), other.endpoint.shard());
    let shards: ShardSet = [one.endpoint.shard()].into_iter().collect();
    let lanes = scene.store.ready_lanes(&shards, scene.at(1), 10).await.unwrap();
    assert_eq!(lanes.iter().map(|ready| ready.lane).collect::<Vec<_>>(), [one.lane()]);
    assert!(scene.store.ready_lanes(&ShardSet::default(), scene.at(1), 10).await.unwrap().is_empty());
}

pub async fn the_lane_that_waits_longest_comes_first(scene: &Scene) {
    let mut lanes = Vec::new();
    for seconds in [30, 10, 20] {
        let endpoint = scene.endpoint().await;
        scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.at(seconds), WaitingFor::Retry)]).await;
        lanes.push(Lane::unordered(endpoint.id));
    }
    assert_eq!(scene.ready(scene.at(60)).await, [lanes[1], lanes[2], lanes[0]]);
    let lanes_read = scene.store.ready_lanes(&all_shards(), scene.at(60), 2).await.unwrap();
    assert_eq!(lanes_read.iter().map(|ready| ready.lane).collect::<Vec<_>>(), [lanes[1], lanes[2]]);
}

pub async fn a_lanes_rows_come_by_their_time_in_pages(scene: &Scene) {
    let (endpoint, other) = (scene.endpoint().await, scene.endpoint().await);
    let mut expected = Vec::new();
    for seconds in [3, 1, 2, 1, 9] {
        let draft = scene.draft(&[&endpoint]).waits(scene.at(seconds), WaitingFor::Schedule);
        let group = scene.publish(vec![draft]).await;
        expected.push((scene.at(seconds), first(&group), group.messages[0].clone()));
    }
    scene.publish(vec![scene.draft(&[&other]).waits(scene.at(1), WaitingFor::Schedule)]).await;
    expected.sort_by_key(|(at, delivery, _)| (*at, *delivery));
    expected.pop();
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let rows = scene.store.lane_due(endpoint.id, after, scene.at(3), 2).await.unwrap();
        assert!(rows.len() <= 2);
        let Some(last) = rows.last() else { break };
        after = Some((last.due.due_at, last.due.delivery));
        read.extend(rows);
    }
    assert_eq!(read.len(), expected.len());
    for (row, (at, delivery, new)) in read.iter().zip(&expected) {
        assert_eq!((row.due.due_at, row.due.delivery, row.due.lane()), (*at, *delivery, Lane::unordered(endpoint.id)));
        assert_eq!((row.message.as_ref(), row.payload.as_ref()), (Some(&new.message), Some(&new.payload)));
    }
}

/// F8: without the count a row that comes between the look and the rest would wait for ever.
pub async fn a_lane_does_not_rest_if_rows_came_meanwhile(scene: &Scene) {
    let owed = scene.one_waiting().await;
    let batched = scene.one_in_batch().await;
    let endpoint = scene.store.endpoint(owed.endpoint).await.unwrap().unwrap();
    for (what, rest) in [(0, Rest::UntilAfter(scene.at(60))), (1, Rest::Asleep), (2, Rest::Until(scene.at(60)))] {
        let ready = scene.store.ready_lanes(&all_shards(), scene.at(1), 10).await.unwrap();
        let seen = ready.iter().find(|ready| ready.lane == owed.lane()).unwrap().writes;
        match what {
            0 => {
                scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::Schedule)]).await;
            }
            1 => {
                let group = scene.publish(vec![scene.draft(&[&endpoint])]).await;
                let from = From::Batch(group.batch);
                let spilled = Owed { delivery: first(&group), from, ..owed };
                scene.record(vec![scene.moved(&spilled, retry(scene.now))]).await;
            }
            _ => {
                let failing = scene.attempted(&owed, 1, scene.first.number, fail());
                scene.record(vec![failing]).await;
                scene.store.retry_delivery(owed.delivery, scene.at(1)).await.unwrap();
            }
        }
        let rested = scene.store.rest_lane(scene.node(), owed.lane(), seen, rest).await.unwrap();
        assert!(!rested, "{what}: a row was overlooked");
        assert!(scene.ready(scene.at(1)).await.contains(&owed.lane()), "{what}");
    }
    assert_eq!(scene.word(batched.delivery).await, "batch");
}

pub async fn a_resting_lane_wakes_at_its_next_row(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    for seconds in [0, 5, 30] {
        scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.at(seconds), WaitingFor::Schedule)]).await;
    }
    let lane = Lane::unordered(endpoint.id);
    scene.rest(lane, scene.at(10), Rest::UntilAfter(scene.at(10))).await;
    assert!(scene.ready(scene.at(29)).await.is_empty());
    assert_eq!(scene.ready(scene.at(30)).await, [lane]);
    scene.rest(lane, scene.at(30), Rest::Until(scene.at(50))).await;
    assert!(scene.ready(scene.at(49)).await.is_empty());
    assert_eq!(scene.ready(scene.at(50)).await, [lane]);
    scene.rest(lane, scene.at(50), Rest::UntilAfter(scene.at(50))).await;
    assert!(scene.ready(scene.at(100_000)).await.is_empty(), "everything was read");
    // A new row brings it forward, though others are there that were read before.
    scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.at(60), WaitingFor::Schedule)]).await;
    assert_eq!(scene.ready(scene.at(60)).await, [lane]);
    // A later one does not put it off.
    scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.at(90), WaitingFor::Schedule)]).await;
    assert_eq!(scene.ready(scene.at(60)).await, [lane]);
}

pub async fn a_lane_without_rows_goes_away_and_comes_back(scene: &Scene) {
    let owed = scene.one_waiting().await;
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, Next::Succeeded)]).await;
    if scene.ready(scene.at(1)).await.contains(&owed.lane()) {
        scene.rest(owed.lane(), scene.at(1), Rest::UntilAfter(scene.at(1))).await;
    }
    assert!(scene.ready(scene.at(100_000)).await.is_empty());
    let endpoint = scene.store.endpoint(owed.endpoint).await.unwrap().unwrap();
    scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.at(2), WaitingFor::Schedule)]).await;
    assert_eq!(scene.ready(scene.at(2)).await, [owed.lane()]);
}

/// A lane that went away and came back is another one, although it has seen as many rows.
pub async fn a_lane_that_came_back_does_not_rest_by_an_old_count(scene: &Scene) {
    let owed = scene.one_waiting().await;
    let ready = scene.store.ready_lanes(&all_shards(), scene.at(1), 10).await.unwrap();
    let seen = ready[0].writes;
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, Next::Succeeded)]).await;
    scene.rest(owed.lane(), scene.at(1), Rest::UntilAfter(scene.at(1))).await;
    let endpoint = scene.store.endpoint(owed.endpoint).await.unwrap().unwrap();
    scene.publish(vec![scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::Schedule)]).await;
    let rested = scene.store.rest_lane(scene.node(), owed.lane(), seen, Rest::UntilAfter(scene.at(1))).await;
    assert!(!rested.unwrap(), "the new row was overlooked");
    assert_eq!(scene.ready(scene.at(1)).await, [owed.lane()]);
}

pub async fn a_lane_sleeps_while_its_endpoint_is_stopped(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let paused = Endpoint { state: EndpointState::Paused, revision: 2, ..endpoint.clone() };
    scene.store.update_endpoint(&paused, None).await.unwrap();
    scene.publish(vec![scene.draft(&[&paused]).waits(scene.now, WaitingFor::EndpointPaused)]).await;
    assert!(scene.ready(scene.at(100_000)).await.is_empty());
    // A change that does not start it does not wake it either.
    let renamed = Endpoint { revision: 3, ..paused.clone() };
    scene.store.update_endpoint(&renamed, None).await.unwrap();
    assert!(scene.ready(scene.at(100_000)).await.is_empty());
    let active = Endpoint { state: EndpointState::Active, revision: 4, updated_at: scene.at(5), ..endpoint };
    scene.store.update_endpoint(&active, None).await.unwrap();
    let lane = Lane::unordered(active.id);
    assert_eq!(scene.ready(scene.at(5)).await, [lane]);
    // One that was put to sleep by its owner, too.
    scene.rest(lane, scene.at(5), Rest::Asleep).await;
    assert!(scene.ready(scene.at(100_000)).await.is_empty());
    let again = Endpoint { revision: 5, updated_at: scene.at(6), ..active };
    scene.store.update_endpoint(&again, None).await.unwrap();
    assert_eq!(scene.ready(scene.at(6)).await, [lane]);
}

pub async fn a_record_wakes_a_sleeping_lane(scene: &Scene) {
    let owed = scene.one_waiting().await;
    scene.rest(owed.lane(), scene.at(1), Rest::Asleep).await;
    let endpoint = scene.store.endpoint(owed.endpoint).await.unwrap().unwrap();
    let group = scene.publish(vec![scene.draft(&[&endpoint])]).await;
    let batched = Owed { delivery: first(&group), from: From::Batch(group.batch), ..owed };
    let wait = Next::Wait { due_at: scene.at(3), waiting_for: WaitingFor::EndpointPaused };
    scene.record(vec![scene.moved(&batched, wait)]).await;
    assert_eq!(scene.ready(scene.at(3)).await, [owed.lane()], "it may have been resumed meanwhile");
}

pub async fn a_new_owner_finds_every_lane_of_its_shards_ready(scene: &Scene) {
    scene.store.claim_shards(scene.node(), 256, scene.now).await.unwrap();
    let (one, other) = (scene.one_waiting().await, scene.one_waiting().await);
    scene.rest(one.lane(), scene.at(1), Rest::UntilAfter(scene.at(1))).await;
    scene.rest(other.lane(), scene.at(1), Rest::Asleep).await;
    assert!(scene.ready(scene.at(1)).await.is_empty());
    let successor = scene.successor().await;
    scene.store.claim_shards(successor.node, 256, scene.at(2)).await.unwrap();
    let mut ready = scene.ready(scene.at(2)).await;
    ready.sort();
    let mut expected = [one.lane(), other.lane()];
    expected.sort();
    assert_eq!(ready, expected, "rows that the former owner had in memory");
}

pub async fn a_deleted_endpoints_lane_is_woken(scene: &Scene) {
    let owed = scene.one_waiting().await;
    scene.rest(owed.lane(), scene.at(1), Rest::Asleep).await;
    scene.store.delete_endpoint(owed.endpoint, scene.at(2)).await.unwrap();
    assert_eq!(scene.ready(scene.at(2)).await, [owed.lane()]);
    let rows = scene.store.lane_due(owed.endpoint, None, scene.at(2), 10).await.unwrap();
    assert_eq!(rows.len(), 1, "its owner has to end what waits");
}

/// What waits behind a failure for somebody to look at it is ended with the rest.
pub async fn a_deleted_endpoints_held_lane_is_let_go(scene: &Scene) {
    let (lane, owed) = two_in_order(scene).await;
    let mut failure = scene.attempted(&owed[0], 1, scene.first.number, fail());
    failure.on_failed = OnFailed::Hold;
    scene.record(vec![failure]).await;
    assert!(scene.ready(scene.at(1_000)).await.is_empty());
    scene.store.delete_endpoint(lane.endpoint, scene.at(2)).await.unwrap();
    assert_eq!(scene.ready(scene.at(2)).await, [lane]);
}

/// F7: the id tells when a message began, the commit tells when it was there.
pub async fn an_ordered_lane_keeps_the_order_of_commits(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let early = scene.group(vec![scene.draft(&[&endpoint]).ordered(scene.at(50))]).await;
    let late = scene.group(vec![scene.draft(&[&endpoint]).ordered(scene.now); 2]).await;
    scene.commit(&late).await;
    scene.commit(&early).await;
    scene.commit(&late).await;
    let expected = [first(&late), late.messages[1].message.id.delivery(1), first(&early)];
    let lane = Lane::ordered(endpoint.id, None);
    let head = scene.store.lane_head(lane, 10).await.unwrap();
    assert_eq!(head.iter().map(|row| row.due.delivery).collect::<Vec<_>>(), expected);
    assert!(head.windows(2).all(|pair| pair[0].due.seq < pair[1].due.seq));
    assert_eq!(head[0].due.lane(), lane);
    assert_eq!(head[0].message.as_ref(), Some(&late.messages[0].message));
    assert_eq!(scene.store.lane_head(lane, 1).await.unwrap().len(), 1);
    assert_eq!(scene.ready(scene.at(1)).await, [lane]);
    // A first row that waits for its retry keeps its place, and the lane waits for it, whatever stands behind.
    let owed =
        Owed { endpoint: endpoint.id, delivery: expected[0], from: From::Due { attempts: 0 }, batch: late.batch };
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, retry(scene.at(30)))]).await;
    let head = scene.store.lane_head(lane, 10).await.unwrap();
    assert_eq!(head.iter().map(|row| row.due.delivery).collect::<Vec<_>>(), expected);
    if scene.ready(scene.at(1)).await == [lane] {
        scene.rest(lane, scene.at(1), Rest::UntilAfter(scene.at(1))).await;
    }
    assert!(scene.ready(scene.at(29)).await.is_empty());
    assert_eq!(scene.ready(scene.at(30)).await, [lane]);
    // Rows with an order are not among those without.
    assert!(scene.store.lane_due(endpoint.id, None, scene.at(99), 10).await.unwrap().is_empty());
}

/// Two messages in an ordered lane.
async fn two_in_order(scene: &Scene) -> (Lane, [Owed; 2]) {
    let endpoint = scene.endpoint().await;
    let group = scene.publish(vec![scene.draft(&[&endpoint]).ordered(scene.now); 2]).await;
    let owed = [0, 1].map(|index: usize| Owed {
        endpoint: endpoint.id,
        delivery: group.messages[index].message.id.delivery(1),
        from: From::Due { attempts: 0 },
        batch: group.batch,
    });
    (Lane::ordered(endpoint.id, None), owed)
}

pub async fn a_failure_holds_its_ordered_lane_until_it_is_released(scene: &Scene) {
    let number = scene.first.number;
    let (goes_on, owed) = two_in_order(scene).await;
    scene.record(vec![scene.attempted(&owed[0], 1, number, fail())]).await;
    assert_eq!(scene.ready(scene.at(1)).await, [goes_on]);
    scene.record(vec![scene.attempted(&owed[1], 1, number, Next::Succeeded)]).await;
    let (held, owed) = two_in_order(scene).await;
    let mut failure = scene.attempted(&owed[0], 1, number, fail());
    failure.on_failed = OnFailed::Hold;
    scene.record(vec![failure]).await;
    assert!(!scene.ready(scene.at(1_000)).await.contains(&held));
    // What comes does not let it go on.
    let endpoint = scene.store.endpoint(held.endpoint).await.unwrap().unwrap();
    scene.publish(vec![scene.draft(&[&endpoint]).ordered(scene.at(1))]).await;
    assert!(!scene.ready(scene.at(1_000)).await.contains(&held));
    scene.store.release_lanes(held.endpoint, scene.at(2)).await.unwrap();
    assert!(scene.ready(scene.at(2)).await.contains(&held));
    let head = scene.store.lane_head(held, 1).await.unwrap();
    assert_eq!(head[0].due.delivery, owed[1].delivery);
}

pub async fn a_retried_failure_returns_to_its_place_and_releases_its_lane(scene: &Scene) {
    let (lane, owed) = two_in_order(scene).await;
    let mut failure = scene.attempted(&owed[0], 1, scene.first.number, fail());
    failure.on_failed = OnFailed::Hold;
    scene.record(vec![failure]).await;
    assert_eq!(scene.word(owed[0].delivery).await, "failed");
    scene.store.retry_delivery(owed[0].delivery, scene.at(3)).await.unwrap();
    assert_eq!(scene.ready(scene.at(3)).await, [lane]);
    let head = scene.store.lane_head(lane, 10).await.unwrap();
    let deliveries: Vec<_> = head.iter().map(|row| row.due.delivery).collect();
    assert_eq!(deliveries, [owed[0].delivery, owed[1].delivery]);
}

/// F10: the mark is committed before the send, so that a node which dies in between leaves a trace.
pub async fn the_mark_before_a_send_stays_until_it_is_settled(scene: &Scene) {
    let (owed, gone) = (scene.one_waiting().await, scene.one_waiting().await);
    scene.record(vec![scene.attempted(&gone, 1, scene.first.number, Next::Succeeded)]).await;
    let rows = [(owed.endpoint, owed.delivery), (gone.endpoint, gone.delivery)];
    let marked = scene.store.mark_sending(scene.node(), &rows).await.unwrap();
    assert_eq!(marked, [owed.delivery]);
    assert_eq!(scene.due(owed.delivery).await.sending_by, Some(scene.node()));
    let rows = scene.store.lane_due(owed.endpoint, None, scene.at(1), 10).await.unwrap();
    assert_eq!(rows[0].due.sending_by, Some(scene.node()));
    // The new owner sees who was about to.
    let successor = scene.successor().await;
    assert_eq!(scene.due(owed.delivery).await.sending_by, Some(scene.node()));
    let failure = scene.attempted(&owed, 1, successor.number, retry(scene.at(9)));
    scene.record_by(successor.node, vec![failure]).await;
    assert_eq!(scene.due(owed.delivery).await.sending_by, None);
    let late = scene.store.mark_sending(scene.node(), &[(owed.endpoint, owed.delivery)]).await;
    assert!(super::coordination::lost(&late) || late.unwrap().is_empty(), "its lease is gone");
    assert_eq!(scene.due(owed.delivery).await.sending_by, None);
}
