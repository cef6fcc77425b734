use std::sync::Arc;
use std::time::Duration;

use posthaste_core::delivery::Progress;
use posthaste_core::endpoint::RateLimit;
use posthaste_core::message::MessageExtras;
use posthaste_core::{Lane, Message, MessageId, Target};
use posthaste_store::queue::From;

use super::breaker::THRESHOLD;
use super::job::Told;
use super::reading::{Cursor, Look, Taken};
use super::*;

const ENDPOINT: EndpointId = EndpointId::from_bits(7);
const LANE: Lane = Lane { endpoint: ENDPOINT, order: 42 };
const TERMS: Terms = Terms { window: 4, rate: None, gone: false };
const NOW: Timestamp = Timestamp::from_millis(1_000);

fn dispatcher() -> Dispatcher {
    let dispatcher = Dispatcher::new(Limits { in_flight: 100, memory_bytes: 1 << 20 });
    dispatcher.join(1);
    dispatcher
}

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

fn job(number: u32, order: i64, from: From) -> Job {
    let id = MessageId::compose(NOW, 0, number);
    let message = Message {
        id,
        tenant: tenant(),
        topic: None,
        content_type: "application/json".to_owned(),
        targets: vec![Target { endpoint: ENDPOINT, revision: 1 }],
        batch: BatchId::from_bits(id.bits()),
        deliver_at: None,
        extras: MessageExtras::default(),
    };
    Job {
        delivery: id.delivery(1),
        endpoint: ENDPOINT,
        order,
        message: Arc::new(message),
        payload: None,
        from,
        progress: Progress::default(),
        told: Told::All,
        epoch: 1,
    }
}

fn waiting(number: u32) -> Job {
    job(number, LANE.order, From::Due { attempts: 0 })
}

fn batched(number: u32, batch: BatchId) -> Job {
    job(number, 0, From::Batch(batch))
}

fn look(dispatcher: &Dispatcher) {
    assert!(matches!(dispatcher.look(LANE, &tenant(), TERMS, 500, NOW), Look::Read { .. }));
}

fn read(dispatcher: &Dispatcher, numbers: &[u32]) -> Taken {
    look(dispatcher);
    dispatcher.take_ordered(LANE, 1, numbers.iter().copied().map(waiting).collect(), false, NOW)
}

fn started(dispatcher: &Dispatcher) -> Option<Job> {
    dispatcher.next(NOW)
}

fn end(dispatcher: &Dispatcher, job: &Job, passage: Passage) {
    let ended = if passage == Passage::Free { Ended::Well } else { Ended::Badly };
    dispatcher.ended(job, ended, passage, NOW);
}

fn record(dispatcher: &Dispatcher, job: &Job, passage: Passage) {
    dispatcher.recorded(std::iter::once((job.endpoint, job.delivery, passage)), NOW);
}

#[test]
fn an_ordered_lane_has_one_under_way_and_the_next_follows_when_it_cannot_come_again() {
    let dispatcher = dispatcher();
    assert_eq!(read(&dispatcher, &[1, 2, 3]), Taken::Some);
    for number in 1..=3 {
        let job = started(&dispatcher).unwrap();
        assert_eq!(job.delivery, waiting(number).delivery);
        assert!(started(&dispatcher).is_none(), "only one at a time");
        end(&dispatcher, &job, Passage::Free);
    }
    assert!(started(&dispatcher).is_none());
}

#[test]
fn a_head_that_failed_keeps_its_lane_shut_until_its_retry_is_recorded() {
    let dispatcher = dispatcher();
    read(&dispatcher, &[1, 2]);
    let head = started(&dispatcher).unwrap();
    end(&dispatcher, &head, Passage::Shut);
    assert!(started(&dispatcher).is_none(), "what was behind it has left memory");
    // The rows would show it as it was before.
    assert_eq!(dispatcher.look(LANE, &tenant(), TERMS, 500, NOW), Look::Full);
    record(&dispatcher, &head, Passage::Shut);
    read(&dispatcher, &[1, 2]);
    assert_eq!(started(&dispatcher).unwrap().delivery, head.delivery);
}

#[test]
fn a_read_that_was_overtaken_by_a_record_brings_nothing_past_the_head() {
    let dispatcher = dispatcher();
    read(&dispatcher, &[1]);
    let head = started(&dispatcher).unwrap();
    look(&dispatcher);
    end(&dispatcher, &head, Passage::Shut);
    record(&dispatcher, &head, Passage::Shut);
    let stale = vec![waiting(1), waiting(2)];
    assert_eq!(dispatcher.take_ordered(LANE, 1, stale, false, NOW), Taken::None);
    assert!(started(&dispatcher).is_none());
}

#[test]
fn a_read_that_shows_what_was_delivered_meanwhile_does_not_deliver_it_again() {
    let dispatcher = dispatcher();
    read(&dispatcher, &[1]);
    let head = started(&dispatcher).unwrap();
    look(&dispatcher);
    end(&dispatcher, &head, Passage::Free);
    record(&dispatcher, &head, Passage::Free);
    dispatcher.take_ordered(LANE, 1, vec![waiting(1), waiting(2)], false, NOW);
    assert_eq!(started(&dispatcher).unwrap().delivery, waiting(2).delivery);
    // The same without an order.
    let first = job(9, 0, From::Due { attempts: 0 });
    let lane = Lane::unordered(ENDPOINT);
    dispatcher.look(lane, &tenant(), TERMS, 500, NOW);
    dispatcher.take_due(ENDPOINT, 1, vec![first.clone()], Cursor::default(), NOW);
    let sent = started(&dispatcher).unwrap();
    dispatcher.look(lane, &tenant(), TERMS, 500, NOW);
    end(&dispatcher, &sent, Passage::Free);
    record(&dispatcher, &sent, Passage::Free);
    dispatcher.take_due(ENDPOINT, 1, vec![first], Cursor::default(), NOW);
    assert!(started(&dispatcher).is_none());
}

#[test]
fn an_opened_breaker_lets_go_of_what_waits_but_a_lane_keeps_its_order() {
    let dispatcher = dispatcher();
    let batch = BatchId::from_bits(1);
    read(&dispatcher, &[1, 2]);
    let failing: Vec<_> = (100..100 + THRESHOLD).map(|number| (batched(number, batch), TERMS)).collect();
    dispatcher.add_batch(batch, 1, failing, Intake::Joins, NOW);
    let mut opened = None;
    let mut in_order = None;
    while let Some(job) = started(&dispatcher) {
        if job.order != 0 {
            in_order = Some(job);
            continue;
        }
        opened = dispatcher.ended(&job, Ended::Badly, Passage::Shut, NOW).opened.or(opened);
    }
    let (until, spilled) = opened.unwrap();
    assert!(until > NOW && spilled.is_empty(), "all of the batch had been tried");
    // The head was in flight when the breaker opened: what was behind it is read again, after it.
    let head = in_order.unwrap();
    end(&dispatcher, &head, Passage::Free);
    assert!(dispatcher.next(until).is_none());
    record(&dispatcher, &head, Passage::Free);
    look(&dispatcher);
    dispatcher.take_ordered(LANE, 1, vec![waiting(2)], false, until);
    assert_eq!(dispatcher.next(until).unwrap().delivery, waiting(2).delivery);
}

#[test]
fn cancelling_the_head_lets_the_next_move_up() {
    let dispatcher = dispatcher();
    read(&dispatcher, &[1, 2, 3]);
    let withdrawn = dispatcher.withdraw(&[waiting(1).delivery, waiting(2).delivery], NOW);
    assert_eq!(withdrawn.len(), 2);
    assert_eq!(started(&dispatcher).unwrap().delivery, waiting(3).delivery);
}

#[test]
fn a_batch_that_takes_in_groups_ends_only_when_it_is_closed_and_empty() {
    let dispatcher = dispatcher();
    let batch = BatchId::from_bits(1);
    dispatcher.add_batch(batch, 1, vec![(batched(1, batch), TERMS)], Intake::Opens, NOW);
    assert!(!dispatcher.leaves_batch(batch), "others may join");
    dispatcher.add_batch(batch, 1, vec![(batched(2, batch), TERMS)], Intake::Joins, NOW);
    assert!(!dispatcher.close_batch(batch), "one is left");
    assert!(dispatcher.leaves_batch(batch));
    // One that is empty when it is closed ends with that.
    dispatcher.add_batch(batch, 1, vec![(batched(3, batch), TERMS)], Intake::Opens, NOW);
    assert!(!dispatcher.leaves_batch(batch));
    assert!(dispatcher.close_batch(batch));
}

#[test]
fn what_came_under_a_lost_lease_changes_nothing_under_the_next() {
    let dispatcher = dispatcher();
    let batch = BatchId::from_bits(1);
    dispatcher.add_batch(batch, 1, vec![(batched(1, batch), TERMS)], Intake::Joins, NOW);
    let old = started(&dispatcher).unwrap();
    dispatcher.join(2);
    dispatcher.add_batch(batch, 1, vec![(batched(2, batch), TERMS)], Intake::Joins, NOW);
    assert!(started(&dispatcher).is_none(), "a commit of the former membership");
    let again = Job { epoch: 2, ..batched(1, batch) };
    let narrow = Terms { window: 1, ..TERMS };
    dispatcher.add_batch(batch, 2, vec![(again.clone(), narrow), (again, narrow)], Intake::Joins, NOW);
    assert!(started(&dispatcher).is_some());
    end(&dispatcher, &old, Passage::Free);
    assert!(started(&dispatcher).is_none(), "the old exchange frees no place of the new ones");
    assert_eq!(dispatcher.load().0, 1);
}

#[test]
fn a_limited_endpoint_sends_when_its_tokens_come() {
    let dispatcher = dispatcher();
    let terms = Terms { window: 64, rate: Some(RateLimit { per_second: 100.0, burst: 1 }), gone: false };
    let lane = Lane::unordered(ENDPOINT);
    dispatcher.look(lane, &tenant(), terms, 500, NOW);
    let jobs = (0..200).map(|number| job(number, 0, From::Due { attempts: 0 })).collect();
    dispatcher.take_due(ENDPOINT, 1, jobs, Cursor::default(), NOW);
    assert!(dispatcher.next(NOW).is_none(), "a new owner's bucket is empty");
    let mut sent = 0;
    for millis in 1..=1_000 {
        // A timer that is up to three milliseconds late.
        let now = NOW + Duration::from_millis(millis + millis % 4);
        dispatcher.release(now);
        while let Some(job) = dispatcher.next(now) {
            dispatcher.ended(&job, Ended::Well, Passage::Free, now);
            sent += 1;
        }
    }
    assert!((95..=101).contains(&sent), "{sent}");
}
