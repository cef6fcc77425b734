//! Replays and erasures, step by step.

use posthaste_core::delivery::Next;
use posthaste_core::id::ReplayKind;
use posthaste_core::{Id, ReplayId, WaitingFor};

use super::catalog::conflict;
use super::coordination::lost;
use super::scene::{Scene, fail, first, left};
use crate::history::{DeliveryFilter, MessageFilter};
use crate::jobs::{Job, JobFilter, JobKind, JobState, MAX_RUNNING, Step, Stepped};
use crate::{Conflict, Page, StoreError};

pub(super) fn job(scene: &Scene, number: u128, kind: JobKind) -> Job {
    Job {
        id: Id::<ReplayKind>::random(scene.now, number),
        kind,
        tenant: Some(scene.tenant.clone()),
        endpoint: None,
        spec: serde_json::json!({"status": "failed", "odd": ["ü", 1.5, null]}),
        state: JobState::Running,
        cursor: None,
        matched: 0,
        done: 0,
        created_at: scene.now,
        updated_at: scene.now,
    }
}

/// A job that the first node works on.
async fn claimed(scene: &Scene, kind: JobKind) -> ReplayId {
    let job = job(scene, 1, kind);
    scene.store.create_job(&job).await.unwrap();
    let claimed = scene.store.claim_job(scene.node()).await.unwrap();
    assert_eq!(claimed.as_ref(), Some(&job));
    job.id
}

async fn step(scene: &Scene, id: ReplayId, step: &Step) -> Stepped {
    scene.store.step_job(scene.node(), id, step, scene.at(5)).await.unwrap()
}

async fn read(scene: &Scene, id: ReplayId) -> Job {
    scene.store.job(id).await.unwrap().expect("it is there")
}

/// F15: the cursor moves with the work, so a step is done once.
pub async fn a_step_is_done_once_and_moves_the_cursor(scene: &Scene) {
    let (failed, cancelled, waiting) =
        (scene.one_in_batch().await, scene.one_in_batch().await, scene.one_waiting().await);
    scene.record(vec![scene.attempted(&failed, 1, scene.first.number, fail())]).await;
    scene.store.cancel_delivery(cancelled.delivery, scene.at(1)).await.unwrap();
    let id = claimed(scene, JobKind::Replay).await;
    let endpoint = scene.store.endpoint(waiting.endpoint).await.unwrap().unwrap();
    let draft = scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::InFlight);
    let publish = scene.group(vec![draft]).await.messages;
    let new = publish[0].message.clone();
    let one = Step {
        from: None,
        to: Some(1 << 100),
        matched: 3,
        retry: vec![failed.delivery, cancelled.delivery],
        publish,
        ..Step::default()
    };
    // A cancelled one cannot be retried, and is left.
    assert_eq!(step(scene, id, &one).await, Stepped::Done(2));
    let moved = read(scene, id).await;
    assert_eq!((moved.cursor, moved.matched, moved.done), (Some(1 << 100), 3, 2));
    assert_eq!((moved.state, moved.updated_at), (JobState::Running, scene.at(5)));
    assert_eq!((scene.word(failed.delivery).await, scene.word(cancelled.delivery).await), ("due", "cancelled"));
    assert_eq!(scene.word(new.id.delivery(1)).await, "due");
    assert_eq!(scene.store.message(new.id).await.unwrap().as_ref(), Some(new.as_ref()));
    // Its reply was lost, or another node was there first: the deliveries went on meanwhile.
    scene.record(vec![scene.attempted(&failed.after(1), 2, scene.first.number, fail())]).await;
    assert_eq!(step(scene, id, &one).await, Stepped::Stopped);
    assert_eq!(scene.word(failed.delivery).await, "failed");
    let last = Step { from: Some(1 << 100), to: Some(5), last: true, ..Step::default() };
    assert_eq!(step(scene, id, &last).await, Stepped::Done(0));
    let ended = read(scene, id).await;
    assert_eq!((ended.state, ended.cursor, ended.matched, ended.done), (JobState::Done, Some(5), 3, 2));
    assert!(scene.store.claim_job(scene.node()).await.unwrap().is_none());
}

pub async fn a_stopped_job_does_no_further_step(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, fail())]).await;
    let id = claimed(scene, JobKind::Replay).await;
    let stopped = scene.store.cancel_job(id, scene.at(3)).await.unwrap();
    assert_eq!((stopped.state, stopped.updated_at), (JobState::Cancelled, scene.at(3)));
    let retry = Step { to: Some(5), retry: vec![owed.delivery], ..Step::default() };
    assert_eq!(step(scene, id, &retry).await, Stepped::Stopped);
    assert_eq!(scene.word(owed.delivery).await, "failed");
    assert!(scene.store.claim_job(scene.node()).await.unwrap().is_none());
    // One that has ended stays as it is.
    assert_eq!(scene.store.cancel_job(id, scene.at(9)).await.unwrap(), stopped);
    let unknown = scene.store.cancel_job(ReplayId::from_bits(7), scene.now).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
}

pub async fn a_gone_nodes_job_goes_on_where_it_was(scene: &Scene) {
    let id = claimed(scene, JobKind::Replay).await;
    let one = Step { to: Some(77), matched: 4, ..Step::default() };
    assert_eq!(step(scene, id, &one).await, Stepped::Done(0));
    let successor = scene.successor().await;
    let job = scene.store.claim_job(successor.node).await.unwrap().expect("it is free");
    assert_eq!((job.id, job.cursor, job.matched), (id, Some(77), 4));
    let next = Step { from: Some(77), to: Some(5), ..Step::default() };
    let stale = scene.store.step_job(scene.node(), id, &next, scene.at(6)).await;
    assert!(lost(&stale) || stale.unwrap() == Stepped::Stopped);
    assert_eq!(read(scene, id).await.cursor, Some(77));
    assert_eq!(scene.store.step_job(successor.node, id, &next, scene.at(6)).await.unwrap(), Stepped::Done(0));
}

pub async fn a_job_that_its_node_had_to_leave_is_found_again_after_those_that_are_free(scene: &Scene) {
    let left = claimed(scene, JobKind::Replay).await;
    let one = Step { to: Some(77), matched: 4, ..Step::default() };
    assert_eq!(step(scene, left, &one).await, Stepped::Done(0));
    let free = job(scene, 2, JobKind::Replay);
    scene.store.create_job(&free).await.unwrap();
    assert_eq!(scene.store.claim_job(scene.node()).await.unwrap(), Some(free.clone()));
    scene.store.cancel_job(free.id, scene.now).await.unwrap();
    let again = scene.store.claim_job(scene.node()).await.unwrap().expect("its own");
    assert_eq!((again.id, again.cursor, again.matched), (left, Some(77), 4));
    let last = Step { from: Some(77), last: true, ..Step::default() };
    assert_eq!(step(scene, left, &last).await, Stepped::Done(0));
    assert!(scene.store.claim_job(scene.node()).await.unwrap().is_none());
}

pub async fn what_a_step_sends_under_a_key_is_sent_once_however_many_jobs_send_it(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let keyed = |key: &str| scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::InFlight).key(key, 0);
    let id = claimed(scene, JobKind::Replay).await;
    let first = scene.group(vec![keyed("a"), keyed("b")]).await.messages;
    let one = Step { to: Some(1), matched: 2, last: true, publish: first.clone(), ..Step::default() };
    assert_eq!(step(scene, id, &one).await, Stepped::Done(2));
    let again = job(scene, 2, JobKind::Replay);
    scene.store.create_job(&again).await.unwrap();
    assert_eq!(scene.store.claim_job(scene.node()).await.unwrap().map(|job| job.id), Some(again.id));
    let without_key = scene.draft(&[&endpoint]).waits(scene.now, WaitingFor::InFlight);
    let second = scene.group(vec![keyed("b"), without_key, keyed("c")]).await.messages;
    let two = Step { to: Some(1), matched: 3, publish: second.clone(), ..Step::default() };
    assert_eq!(step(scene, again.id, &two).await, Stepped::Done(2));
    let none = Step { from: Some(1), to: Some(2), publish: vec![second[0].clone()], ..Step::default() };
    assert_eq!(step(scene, again.id, &none).await, Stepped::Done(0));
    assert_eq!(scene.store.message(second[0].message.id).await.unwrap(), None);
    let sent: Vec<_> = first.iter().chain(&second[1..]).map(|new| new.message.id.delivery(1)).collect();
    let waiting = scene.store.lane_due(endpoint.id, None, scene.at(9), 10).await.unwrap();
    assert_eq!(waiting.iter().map(|due| due.due.delivery).collect::<Vec<_>>(), sent);
}

pub async fn only_so_many_jobs_run_at_once(scene: &Scene) {
    for number in 1..=u128::from(MAX_RUNNING) {
        scene.store.create_job(&job(scene, number, JobKind::Replay)).await.unwrap();
    }
    let more = job(scene, 1_000, JobKind::Erase);
    assert_eq!(conflict(scene.store.create_job(&more).await), Some(Conflict::TooManyJobs));
    let ended = job(scene, 1, JobKind::Replay).id;
    scene.store.cancel_job(ended, scene.now).await.unwrap();
    scene.store.create_job(&more).await.unwrap();
}

pub async fn jobs_are_listed_newest_first_by_what_they_are(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut replay = job(scene, 1, JobKind::Replay);
    replay.endpoint = Some(endpoint.id);
    let mut foreign = job(scene, 2, JobKind::Replay);
    foreign.tenant = Some("other".parse().unwrap());
    let mut everywhere = job(scene, 3, JobKind::Erase);
    everywhere.tenant = None;
    for job in [&replay, &foreign, &everywhere] {
        scene.store.create_job(job).await.unwrap();
    }
    let list = async |filter: JobFilter| {
        let (mut all, mut page) = (Vec::new(), Page::first(1));
        loop {
            let slice = scene.store.jobs(&filter, page).await.unwrap();
            all.extend(slice.items);
            let Some(next) = slice.next else { return all };
            page.before = Some(next);
        }
    };
    assert_eq!(list(JobFilter::default()).await, [everywhere.clone(), foreign.clone(), replay.clone()]);
    let kind = JobFilter { kind: Some(JobKind::Replay), ..JobFilter::default() };
    assert_eq!(list(kind.clone()).await, [foreign.clone(), replay.clone()]);
    let own = JobFilter { tenant: Some(scene.tenant.clone()), ..kind };
    assert_eq!(list(own).await, [replay.clone()]);
    let to_it = JobFilter { endpoint: Some(endpoint.id), ..JobFilter::default() };
    assert_eq!(list(to_it).await, [replay.clone()]);
    scene.store.cancel_job(foreign.id, scene.now).await.unwrap();
    let running = JobFilter { state: Some(JobState::Running), ..JobFilter::default() };
    assert_eq!(list(running).await, [everywhere, replay]);
}

pub async fn an_erased_message_is_gone_wherever_its_deliveries_were(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let drafts = vec![scene.draft(&[&endpoint; 5]).uid("u"), scene.draft(&[&endpoint])];
    let group = scene.publish(drafts).await;
    let id = group.messages[0].message.id;
    let owed = |position| super::scene::Owed {
        endpoint: endpoint.id,
        delivery: id.delivery(position),
        from: crate::queue::From::Batch(group.batch),
        batch: group.batch,
    };
    let number = scene.first.number;
    let success = scene.attempted(&owed(1), 1, number, Next::Succeeded);
    let attempt = success.attempt.clone().unwrap().attempt.id;
    let settled = vec![
        success,
        scene.attempted(&owed(2), 1, number, fail()),
        scene.attempted(&owed(3), 1, number, super::scene::retry(scene.now)),
    ];
    scene.record(settled).await;
    scene.store.cancel_delivery(id.delivery(4), scene.now).await.unwrap();
    let job = claimed(scene, JobKind::Erase).await;
    let erase = Step { to: Some(5), last: true, matched: 1, erase_messages: vec![id], ..Step::default() };
    assert_eq!(step(scene, job, &erase).await, Stepped::Done(1));
    assert_eq!(scene.store.message(id).await.unwrap(), None);
    assert_eq!(scene.store.payload(id).await.unwrap(), None);
    assert_eq!(scene.store.message_by_uid(&scene.tenant, "u").await.unwrap(), None);
    assert_eq!(scene.store.attempt(attempt).await.unwrap(), None);
    for position in 1..=5 {
        assert_eq!(scene.store.delivery(id.delivery(position)).await.unwrap(), None, "{position}");
        let attempts = scene.store.attempts(id.delivery(position), Page::first(10)).await.unwrap();
        assert!(attempts.items.is_empty(), "{position}");
    }
    let other = group.messages[1].message.id.delivery(1);
    let by_endpoint = DeliveryFilter { endpoint: Some(endpoint.id), ..DeliveryFilter::default() };
    for filter in [DeliveryFilter::default(), by_endpoint] {
        let listed = scene.store.deliveries(&filter, Page::first(50)).await.unwrap().items;
        assert_eq!(listed.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [other]);
    }
    let listed = scene.store.messages(&MessageFilter::default(), Page::first(50)).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert!(scene.store.lane_due(endpoint.id, None, scene.at(99), 10).await.unwrap().is_empty());
    // An owner that had it in memory does not bring it back.
    scene.record(vec![scene.attempted(&owed(5), 1, number, super::scene::retry(scene.now))]).await;
    assert_eq!(scene.store.delivery(id.delivery(5)).await.unwrap(), None);
    assert!(scene.store.lane_due(endpoint.id, None, scene.at(99), 10).await.unwrap().is_empty());
    let successor = scene.successor().await;
    assert_eq!(left(&scene.claim_all(successor.node).await), [other]);
    // Its uid is free again.
    let again = scene.group(vec![scene.draft(&[]).uid("u")]).await;
    let published = scene.store.publish(successor.node, &again).await.unwrap();
    assert_eq!(published, crate::Published::Committed(vec![crate::Accepted::New]));
}

pub async fn an_erased_delivery_is_neither_listed_nor_claimed(scene: &Scene) {
    let (endpoint, other) = (scene.endpoint().await, scene.endpoint().await);
    let group = scene.publish(vec![scene.draft(&[&endpoint, &other, &endpoint])]).await;
    let id = group.messages[0].message.id;
    let owed = super::scene::Owed {
        endpoint: endpoint.id,
        delivery: first(&group),
        from: crate::queue::From::Batch(group.batch),
        batch: group.batch,
    };
    scene.record(vec![scene.attempted(&owed, 1, scene.first.number, Next::Succeeded)]).await;
    let job = claimed(scene, JobKind::Erase).await;
    let erase_deliveries = vec![id.delivery(1), id.delivery(3)];
    let erase = Step { to: Some(5), last: true, matched: 2, erase_deliveries, ..Step::default() };
    assert_eq!(step(scene, job, &erase).await, Stepped::Done(2));
    let message = scene.store.message(id).await.unwrap().expect("the message stays");
    let zeros: Vec<bool> = message.targets.iter().map(|target| target.endpoint.bits() == 0).collect();
    assert_eq!(zeros, [true, false, true]);
    assert_eq!(scene.store.delivery(id.delivery(1)).await.unwrap(), None);
    assert_eq!(scene.store.delivery(id.delivery(3)).await.unwrap(), None);
    assert_eq!(scene.word(id.delivery(2)).await, "batch");
    let attempts = scene.store.attempts(id.delivery(1), Page::first(10)).await.unwrap();
    assert!(attempts.items.is_empty());
    for filter in [
        DeliveryFilter { message: Some(id), ..DeliveryFilter::default() },
        DeliveryFilter { tenant: Some(scene.tenant.clone()), ..DeliveryFilter::default() },
    ] {
        let listed = scene.store.deliveries(&filter, Page::first(50)).await.unwrap().items;
        assert_eq!(listed.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [id.delivery(2)]);
    }
    // An owner that has it in memory does not bring it back.
    let third = super::scene::Owed { delivery: id.delivery(3), ..owed };
    scene.record(vec![scene.attempted(&third, 1, scene.first.number, super::scene::retry(scene.now))]).await;
    assert!(scene.store.lane_due(endpoint.id, None, scene.at(99), 10).await.unwrap().is_empty());
    let to_it = DeliveryFilter { endpoint: Some(endpoint.id), ..DeliveryFilter::default() };
    assert!(scene.store.deliveries(&to_it, Page::first(50)).await.unwrap().items.is_empty());
    let successor = scene.successor().await;
    assert_eq!(left(&scene.claim_all(successor.node).await), [id.delivery(2)]);
}

pub async fn an_erasure_is_known_to_every_node_from_beginning_to_end(scene: &Scene) {
    let seen = scene.store.load_tenant(&scene.tenant).await.unwrap().version;
    scene.store.create_job(&job(scene, 9, JobKind::Replay)).await.unwrap();
    assert!(!scene.store.changes(seen).await.unwrap().erasures, "a replay is no change of the catalog");
    scene.store.cancel_job(job(scene, 9, JobKind::Replay).id, scene.now).await.unwrap();
    let id = claimed(scene, JobKind::Erase).await;
    let begun = scene.store.changes(seen).await.unwrap();
    assert!(begun.erasures && begun.version > seen);
    assert_eq!(step(scene, id, &Step { to: Some(9), ..Step::default() }).await, Stepped::Done(0));
    let last = Step { from: Some(9), last: true, ..Step::default() };
    assert_eq!(step(scene, id, &last).await, Stepped::Done(0));
    let ended = scene.store.changes(begun.version).await.unwrap();
    assert!(ended.erasures && ended.version > begun.version);
}
