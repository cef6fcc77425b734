//! Schedules, and the leader who fires them.

use std::sync::Arc;

use posthaste_core::id::{BatchId, ScheduleKind};
use posthaste_core::schedule::ScheduleSettings;
use posthaste_core::{Endpoint, Id, Schedule, ScheduleId, Timestamp, WaitingFor};

use super::catalog::{conflict, topic};
use super::scene::{Draft, Scene, first};
use crate::schedules::{Fire, Fired, Leader, ScheduleFilter};
use crate::{Conflict, Page, StoreError};

fn unstored(scene: &Scene, number: u128, next_fire_at: Option<Timestamp>) -> Schedule {
    let settings = serde_json::json!({
        "name": "näme", "cron": "*/5 * * * *", "timezone": "Europe/Berlin", "topic": "order.created",
        "payload": null, "headers": {"x-a": "b"}, "metadata": {"k": "v"}, "missed": "fire_all",
    });
    let settings: ScheduleSettings = serde_json::from_value(settings).expect("settings");
    Schedule {
        id: Id::<ScheduleKind>::random(scene.now, number),
        number: 0,
        tenant: scene.tenant.clone(),
        uid: None,
        settings,
        next_fire_at,
        last_fire_at: None,
        revision: 1,
        created_at: scene.now,
        updated_at: scene.now,
    }
}

async fn stored(scene: &Scene, number: u128, next_fire_at: Option<Timestamp>) -> Schedule {
    scene.store.create_schedule(&unstored(scene, number, next_fire_at)).await.unwrap()
}

async fn read(scene: &Scene, id: ScheduleId) -> Schedule {
    scene.store.schedule(id).await.unwrap().expect("it is there")
}

/// A firing for these due times, to these endpoints.
async fn firing(
    scene: &Scene,
    schedule: &Schedule,
    fired: &[Timestamp],
    to: &[&Endpoint],
    next: Option<Timestamp>,
) -> Fire {
    let drafts: Vec<Draft> = fired.iter().map(|_| scene.draft(to).waits(scene.now, WaitingFor::InFlight)).collect();
    let mut group = scene.group(drafts).await;
    for (new, fire_at) in group.messages.iter_mut().zip(fired) {
        let message = Arc::make_mut(&mut new.message);
        message.id = schedule.message_id(*fire_at);
        message.batch = BatchId::from_bits(schedule.message_id(fired[0]).bits());
        group.batch = message.batch;
    }
    let expected = schedule.next_fire_at.expect("it is due");
    Fire { schedule: schedule.id, revision: schedule.revision, expected, fired: fired.to_vec(), group, next }
}

async fn fire(scene: &Scene, leader: Leader, firing: &Fire) -> Fired {
    scene.store.fire(leader, firing).await.unwrap()
}

pub async fn a_schedule_comes_back_with_a_number_of_its_own(scene: &Scene) {
    let mut numbers = Vec::new();
    for index in 1..=3 {
        let mut schedule = unstored(scene, index, Some(scene.at(60)));
        schedule.uid = (index == 1).then(|| "mine".to_owned());
        let given = scene.store.create_schedule(&schedule).await.unwrap();
        schedule.number = given.number;
        assert_eq!(given, schedule);
        assert_eq!(read(scene, schedule.id).await, schedule);
        assert!(given.number < 1 << 24);
        assert!(!numbers.contains(&given.number));
        numbers.push(given.number);
    }
    let mut same = unstored(scene, 9, None);
    same.uid = Some("mine".to_owned());
    assert_eq!(conflict(scene.store.create_schedule(&same).await), Some(Conflict::UidTaken));
    let found = scene.store.schedule_by_uid(&scene.tenant, "mine").await.unwrap();
    assert_eq!(found.map(|schedule| schedule.number), Some(numbers[0]));
    same.tenant = "other".parse().unwrap();
    let other = scene.store.create_schedule(&same).await.unwrap();
    assert!(!numbers.contains(&other.number), "not even another tenant's has it");
}

pub async fn a_schedule_is_replaced_only_by_who_saw_its_last_revision(scene: &Scene) {
    let first = stored(scene, 1, Some(scene.at(60))).await;
    let second = Schedule { revision: 2, next_fire_at: None, updated_at: scene.at(3), ..first.clone() };
    scene.store.update_schedule(&second).await.unwrap();
    assert_eq!(conflict(scene.store.update_schedule(&second).await), Some(Conflict::RevisionMoved));
    assert_eq!(read(scene, first.id).await, second);
    scene.store.delete_schedule(first.id).await.unwrap();
    assert_eq!(scene.store.schedule(first.id).await.unwrap(), None);
    assert!(matches!(scene.store.delete_schedule(first.id).await, Err(StoreError::NotFound)));
    let third = Schedule { revision: 3, ..second };
    assert!(matches!(scene.store.update_schedule(&third).await, Err(StoreError::NotFound)));
}

pub async fn schedules_are_listed_newest_first(scene: &Scene) {
    let (one, two) = (stored(scene, 1, None).await, stored(scene, 2, None).await);
    let mut foreign = unstored(scene, 3, None);
    foreign.tenant = "other".parse().unwrap();
    let foreign = scene.store.create_schedule(&foreign).await.unwrap();
    let page = scene.store.schedules(&ScheduleFilter::default(), Page::first(2)).await.unwrap();
    assert_eq!(page.items, [foreign, two.clone()]);
    let rest = Page { before: page.next, limit: 2 };
    let rest = scene.store.schedules(&ScheduleFilter::default(), rest).await.unwrap();
    assert_eq!((rest.items.as_slice(), rest.next), (&[one.clone()][..], None));
    let own = ScheduleFilter { tenant: Some(scene.tenant.clone()) };
    let own = scene.store.schedules(&own, Page::first(50)).await.unwrap();
    assert_eq!(own.items, [two, one]);
}

pub async fn the_longest_owed_schedule_comes_first(scene: &Scene) {
    assert_eq!(scene.store.next_due().await.unwrap(), None);
    let late = stored(scene, 1, Some(scene.at(30))).await;
    let early = stored(scene, 2, Some(scene.at(10))).await;
    stored(scene, 3, None).await;
    assert_eq!(scene.store.next_due().await.unwrap(), Some(scene.at(10)));
    assert!(scene.store.due_schedules(scene.at(9), 10).await.unwrap().is_empty());
    assert_eq!(scene.store.due_schedules(scene.at(10), 10).await.unwrap().first(), Some(&early));
    assert_eq!(scene.store.due_schedules(scene.at(30), 10).await.unwrap(), [early.clone(), late]);
    assert_eq!(scene.store.due_schedules(scene.at(30), 1).await.unwrap(), [early]);
}

pub async fn a_due_time_fires_once(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let leader = scene.store.elect(scene.node()).await.unwrap();
    let schedule = stored(scene, 1, Some(scene.at(10))).await;
    let due = [scene.at(10), scene.at(20)];
    let both = firing(scene, &schedule, &due, &[&endpoint], Some(scene.at(30))).await;
    assert_eq!(fire(scene, leader, &both).await, Fired::Done);
    for fire_at in due {
        let id = schedule.message_id(fire_at);
        assert!(scene.store.message(id).await.unwrap().is_some());
        assert!(scene.store.payload(id).await.unwrap().is_some());
        assert_eq!(scene.word(id.delivery(1)).await, "due");
    }
    let after = read(scene, schedule.id).await;
    assert_eq!((after.next_fire_at, after.last_fire_at), (Some(scene.at(30)), Some(scene.at(20))));
    assert_eq!(after.number, schedule.number);
    // The same again, as after a lost reply or by a node that read the schedule before.
    let endpoint_rows = async || scene.store.lane_due(endpoint.id, None, scene.at(99), 10).await.unwrap().len();
    assert_eq!(fire(scene, leader, &both).await, Fired::Superseded);
    assert_eq!(endpoint_rows().await, 2);
    // Somebody sets it back to a due time that has fired: the message is there already, with all that came of it.
    let back = Schedule { next_fire_at: Some(scene.at(20)), revision: after.revision + 1, ..after };
    scene.store.update_schedule(&back).await.unwrap();
    let id = schedule.message_id(scene.at(20));
    let owed = super::scene::Owed {
        endpoint: endpoint.id,
        delivery: id.delivery(1),
        from: crate::queue::From::Due { attempts: 0 },
        batch: both.group.batch,
    };
    let success = scene.attempted(&owed, 1, scene.first.number, posthaste_core::delivery::Next::Succeeded);
    scene.record(vec![success]).await;
    let again = firing(scene, &back, &[scene.at(20)], &[&endpoint], Some(scene.at(30))).await;
    assert_eq!(fire(scene, leader, &again).await, Fired::Done);
    assert_eq!(scene.word(id.delivery(1)).await, "succeeded");
    assert_eq!(endpoint_rows().await, 1);
    assert_eq!(read(scene, schedule.id).await.next_fire_at, Some(scene.at(30)));
}

pub async fn a_skipped_due_time_only_moves_the_schedule(scene: &Scene) {
    let leader = scene.store.elect(scene.node()).await.unwrap();
    let schedule = stored(scene, 1, Some(scene.at(10))).await;
    let skip = firing(scene, &schedule, &[], &[], None).await;
    assert_eq!(fire(scene, leader, &skip).await, Fired::Done);
    let after = read(scene, schedule.id).await;
    assert_eq!((after.next_fire_at, after.last_fire_at), (None, None));
    assert!(scene.store.due_schedules(scene.at(100_000), 10).await.unwrap().is_empty());
}

pub async fn a_changed_schedule_does_not_fire(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let leader = scene.store.elect(scene.node()).await.unwrap();
    let schedule = stored(scene, 1, Some(scene.at(10))).await;
    let due = [scene.at(10)];
    let before = firing(scene, &schedule, &due, &[&endpoint], Some(scene.at(20))).await;
    let changed = Schedule { revision: 2, ..schedule.clone() };
    scene.store.update_schedule(&changed).await.unwrap();
    assert_eq!(fire(scene, leader, &before).await, Fired::Superseded);
    let moved = firing(scene, &changed, &due, &[&endpoint], Some(scene.at(20))).await;
    scene.store.create_topic(&topic(scene, 1, None, "a")).await.unwrap();
    assert_eq!(fire(scene, leader, &moved).await, Fired::CatalogMoved);
    assert_eq!(scene.store.message(schedule.message_id(due[0])).await.unwrap(), None);
    assert_eq!(read(scene, schedule.id).await.next_fire_at, Some(scene.at(10)));
    let matched = firing(scene, &changed, &due, &[&endpoint], Some(scene.at(20))).await;
    scene.store.delete_schedule(schedule.id).await.unwrap();
    assert_eq!(fire(scene, leader, &matched).await, Fired::Superseded);
    assert_eq!(scene.store.message(schedule.message_id(due[0])).await.unwrap(), None);
}

pub async fn a_former_leader_fires_nothing(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let former = scene.store.elect(scene.node()).await.unwrap();
    assert_eq!(former.node, scene.node());
    assert_eq!(scene.store.elect(scene.node()).await.unwrap(), former, "it stays, and so does its term");
    let schedule = stored(scene, 1, Some(scene.at(10))).await;
    let due = firing(scene, &schedule, &[scene.at(10)], &[&endpoint], None).await;
    let successor = scene.successor().await;
    let leader = scene.store.elect(successor.node).await.unwrap();
    assert_eq!(leader.node, successor.node);
    assert!(leader.term > former.term);
    assert_eq!(scene.store.leader().await.unwrap(), Some(leader));
    let stale = scene.store.fire(former, &due).await;
    assert!(super::coordination::lost(&stale) || stale.unwrap() == Fired::Superseded);
    // Nor with the term of another.
    let forged = Leader { term: former.term, ..leader };
    assert_eq!(fire(scene, forged, &due).await, Fired::Superseded);
    assert_eq!(scene.store.message(first(&due.group).message()).await.unwrap(), None);
    assert_eq!(fire(scene, leader, &due).await, Fired::Done);
}

pub async fn a_leader_that_resigns_makes_room_at_once(scene: &Scene) {
    assert_eq!(scene.store.leader().await.unwrap(), None);
    let leader = scene.store.elect(scene.node()).await.unwrap();
    scene.store.resign(leader).await.unwrap();
    assert_eq!(scene.store.leader().await.unwrap(), None);
    let again = scene.store.elect(scene.node()).await.unwrap();
    assert!(again.term > leader.term);
    // A resignation that comes late does not unseat the next one.
    scene.store.resign(leader).await.unwrap();
    assert_eq!(scene.store.leader().await.unwrap(), Some(again));
}
