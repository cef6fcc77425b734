//! What happened, as people read it.

use std::time::Duration;

use posthaste_core::delivery::Next;
use posthaste_core::{Delivery, DeliveryId, DeliveryStatus, Endpoint, WaitingFor};

use super::scene::{Owed, Scene, fail, notes, retry};
use crate::history::{DeliveryFilter, MessageFilter};
use crate::queue::From;
use crate::{Flush, Group, Page};

/// All deliveries that match, read in pages of that length.
async fn list(scene: &Scene, filter: &DeliveryFilter, limit: u32) -> Vec<Delivery> {
    let (mut all, mut page) = (Vec::new(), Page::first(limit));
    loop {
        let slice = scene.store.deliveries(filter, page).await.unwrap();
        assert!(slice.items.len() <= limit as usize);
        all.extend(slice.items);
        let Some(next) = slice.next else { return all };
        assert!(page.before.is_none_or(|before| next < before), "pages go on");
        page.before = Some(next);
    }
}

async fn ids(scene: &Scene, filter: &DeliveryFilter) -> Vec<DeliveryId> {
    list(scene, filter, 3).await.into_iter().map(|delivery| delivery.id).collect()
}

fn owed(endpoint: &Endpoint, group: &Group, message: usize, position: u32) -> Owed {
    let delivery = group.messages[message].message.id.delivery(position);
    Owed { endpoint: endpoint.id, delivery, from: From::Batch(group.batch), batch: group.batch }
}

/// One delivery in each place, oldest first: succeeded, failed, cancelled, waiting, in its batch; twice.
async fn one_in_each_place(scene: &Scene, endpoint: &Endpoint) -> Vec<DeliveryId> {
    let mut all = Vec::new();
    for _ in 0..2 {
        let group = scene.publish(vec![scene.draft(&[endpoint]); 5]).await;
        let owed = |message| owed(endpoint, &group, message, 1);
        let number = scene.first.number;
        let settled = vec![
            scene.attempted(&owed(0), 1, number, Next::Succeeded),
            scene.attempted(&owed(1), 1, number, fail()),
            scene.attempted(&owed(3), 1, number, retry(scene.at(60))),
        ];
        scene.record(settled).await;
        scene.store.cancel_delivery(owed(2).delivery, scene.at(2)).await.unwrap();
        all.extend((0..5).map(|message| owed(message).delivery));
    }
    all
}

/// F11.
pub async fn deliveries_are_listed_by_status_wherever_they_are(scene: &Scene) {
    let (endpoint, other) = (scene.endpoint().await, scene.endpoint().await);
    let all = one_in_each_place(scene, &endpoint).await;
    scene.publish(vec![scene.draft(&[&other])]).await;
    let places = [
        (DeliveryStatus::Succeeded, vec![all[5], all[0]]),
        (DeliveryStatus::Failed, vec![all[6], all[1]]),
        (DeliveryStatus::Cancelled, vec![all[7], all[2]]),
        (DeliveryStatus::Pending, vec![all[9], all[8], all[4], all[3]]),
    ];
    for (status, expected) in places {
        let by_endpoint =
            DeliveryFilter { status: Some(status), endpoint: Some(endpoint.id), ..DeliveryFilter::default() };
        assert_eq!(ids(scene, &by_endpoint).await, expected, "{status:?}");
        let by_message =
            DeliveryFilter { status: Some(status), message: Some(expected[0].message()), ..DeliveryFilter::default() };
        assert_eq!(ids(scene, &by_message).await, expected[..1], "{status:?}");
        let tenant =
            DeliveryFilter { status: Some(status), tenant: Some(scene.tenant.clone()), ..DeliveryFilter::default() };
        let listed = list(scene, &tenant, 2).await;
        assert!(listed.iter().all(|delivery| delivery.status() == status), "{status:?}");
        let to_it = listed.iter().filter(|delivery| delivery.endpoint == endpoint.id);
        assert_eq!(to_it.map(|delivery| delivery.id).collect::<Vec<_>>(), expected, "{status:?}");
    }
    // What a list shows is what a look shows.
    for delivery in list(scene, &DeliveryFilter::default(), 50).await {
        assert_eq!(scene.delivery(delivery.id).await, delivery);
    }
    // A success that is retried is pending, and listed there alone.
    scene.store.retry_delivery(all[0], scene.at(9)).await.unwrap();
    let of = |status| DeliveryFilter { status: Some(status), endpoint: Some(endpoint.id), ..DeliveryFilter::default() };
    assert_eq!(ids(scene, &of(DeliveryStatus::Succeeded)).await, [all[5]]);
    assert_eq!(ids(scene, &of(DeliveryStatus::Pending)).await, [all[9], all[8], all[4], all[3], all[0]]);
}

pub async fn deliveries_are_listed_by_tenant_endpoint_message_topic_and_time(scene: &Scene) {
    let (one, other) = (scene.endpoint().await, scene.endpoint().await);
    let a = scene.publish(vec![scene.draft(&[&one, &other]).topic("order.a")]).await;
    let b = scene.publish(vec![scene.draft(&[&other, &one]).topic("order.b")]).await;
    let foreign = scene.publish(vec![scene.draft(&[&other]).tenant("other").topic("order.a")]).await;
    let d = |group: &Group, position| group.messages[0].message.id.delivery(position);
    let none = DeliveryFilter::default;
    assert_eq!(ids(scene, &none()).await, [d(&foreign, 1), d(&b, 2), d(&b, 1), d(&a, 2), d(&a, 1)]);
    let own = DeliveryFilter { tenant: Some(scene.tenant.clone()), ..none() };
    assert_eq!(ids(scene, &own).await, [d(&b, 2), d(&b, 1), d(&a, 2), d(&a, 1)]);
    assert_eq!(ids(scene, &DeliveryFilter { endpoint: Some(one.id), ..none() }).await, [d(&b, 2), d(&a, 1)]);
    let message = DeliveryFilter { message: Some(d(&a, 1).message()), ..none() };
    assert_eq!(ids(scene, &message).await, [d(&a, 2), d(&a, 1)]);
    let topic = DeliveryFilter { topic: Some("order.a".parse().unwrap()), ..own.clone() };
    assert_eq!(ids(scene, &topic).await, [d(&a, 2), d(&a, 1)]);
    let both = DeliveryFilter { endpoint: Some(other.id), ..topic };
    assert_eq!(ids(scene, &both).await, [d(&a, 2)]);
    let wrong = DeliveryFilter { message: Some(d(&foreign, 1).message()), ..own.clone() };
    assert!(ids(scene, &wrong).await.is_empty(), "another tenant's message");
    let millisecond = Duration::from_millis(1);
    let accepted = d(&a, 1).timestamp();
    assert!(ids(scene, &DeliveryFilter { since: Some(accepted + millisecond), ..own.clone() }).await.is_empty());
    assert!(ids(scene, &DeliveryFilter { until: Some(accepted), ..own.clone() }).await.is_empty());
    let around = DeliveryFilter { since: Some(accepted), until: Some(accepted + millisecond), ..own };
    assert_eq!(ids(scene, &around).await.len(), 4);
}

pub async fn pages_show_every_delivery_once(scene: &Scene) {
    let (one, other) = (scene.endpoint().await, scene.endpoint().await);
    let mut expected = one_in_each_place(scene, &one).await;
    let wide = scene.publish(vec![scene.draft(&[&one, &other, &one, &one, &other, &one])]).await;
    expected.extend((1..=6).map(|position| wide.messages[0].message.id.delivery(position)));
    expected.reverse();
    let to_one: Vec<DeliveryId> = expected
        .iter()
        .copied()
        .filter(|id| !(id.message() == wide.messages[0].message.id && [2, 5].contains(&id.position())))
        .collect();
    for limit in [1, 2, 3, 5, 16, 250] {
        let all = list(scene, &DeliveryFilter::default(), limit).await;
        assert_eq!(all.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), expected, "by {limit}");
        let filter = DeliveryFilter { endpoint: Some(one.id), ..DeliveryFilter::default() };
        let all = list(scene, &filter, limit).await;
        assert_eq!(all.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), to_one, "by {limit}");
    }
}

pub async fn messages_are_listed_by_what_they_carry(scene: &Scene) {
    let plain = scene.draft(&[]).topic("a");
    let mut noted = scene.draft(&[]).topic("b");
    noted.extras.metadata = notes(&[("k", "v"), ("n", "1")]);
    noted.extras.ordering_key = Some("o".to_owned());
    let mut refused = scene.draft(&[]).topic("a");
    refused.extras.rejection = Some(serde_json::json!({"code": "unknown_topic"}));
    let group = scene.publish(vec![plain, noted, refused, scene.draft(&[]).tenant("other").topic("a")]).await;
    let list = async |filter: MessageFilter| {
        let (mut all, mut page) = (Vec::new(), Page::first(1));
        loop {
            let slice = scene.store.messages(&filter, page).await.unwrap();
            all.extend(slice.items);
            let Some(next) = slice.next else { break };
            page.before = Some(next);
        }
        let position = |message: posthaste_core::Message| {
            group.messages.iter().position(|new| *new.message == message).expect("as it was given")
        };
        all.into_iter().map(position).collect::<Vec<_>>()
    };
    let own = || MessageFilter { tenant: Some(scene.tenant.clone()), ..MessageFilter::default() };
    assert_eq!(list(MessageFilter::default()).await, [3, 2, 1, 0]);
    assert_eq!(list(own()).await, [2, 1, 0]);
    assert_eq!(list(MessageFilter { topic: Some("a".parse().unwrap()), ..own() }).await, [2, 0]);
    assert_eq!(list(MessageFilter { ordering_key: Some("o".to_owned()), ..own() }).await, [1]);
    let both = vec![("k".to_owned(), "v".to_owned()), ("n".to_owned(), "1".to_owned())];
    assert_eq!(list(MessageFilter { metadata: both.clone(), ..own() }).await, [1]);
    let wrong = vec![both[0].clone(), ("n".to_owned(), "2".to_owned())];
    assert!(list(MessageFilter { metadata: wrong, ..own() }).await.is_empty());
    assert_eq!(list(MessageFilter { rejected: Some(true), ..own() }).await, [2]);
    assert_eq!(list(MessageFilter { rejected: Some(false), ..own() }).await, [1, 0]);
    let accepted = group.messages[0].message.id.timestamp();
    assert!(list(MessageFilter { until: Some(accepted), ..own() }).await.is_empty());
    assert_eq!(list(MessageFilter { since: Some(accepted), ..own() }).await, [2, 1, 0]);
}

pub async fn attempts_are_listed_newest_first(scene: &Scene) {
    let owed = scene.one_in_batch().await;
    let number = scene.first.number;
    let mut made = Vec::new();
    for attempt in 1..=4 {
        let from = if attempt == 1 { owed } else { owed.after(attempt - 1) };
        let next = if attempt == 4 { Next::Succeeded } else { retry(scene.now) };
        let mut settled = scene.attempted(&from, attempt, number, next);
        if attempt == 2 {
            // No response began.
            settled.attempt.as_mut().unwrap().capture = None;
        }
        let exchange = settled.attempt.clone().unwrap();
        made.push((exchange.attempt, exchange.capture));
        scene.record(vec![settled]).await;
    }
    let other = scene.one_in_batch().await;
    scene.record(vec![scene.attempted(&other, 1, number, Next::Succeeded)]).await;
    made.reverse();
    let first = scene.store.attempts(owed.delivery, Page::first(3)).await.unwrap();
    assert_eq!(first.items, made[..3]);
    let rest = Page { before: first.next, limit: 3 };
    let rest = scene.store.attempts(owed.delivery, rest).await.unwrap();
    assert_eq!((rest.items.as_slice(), rest.next), (&made[3..], None));
    assert_eq!(scene.store.attempt(owed.delivery.attempt(9, number)).await.unwrap(), None);
}

pub async fn an_endpoints_activity_is_counted_since_an_instant(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let before = scene.now - Duration::from_secs(60);
    one_in_each_place(scene, &endpoint).await;
    let activity = scene.store.endpoint_activity(endpoint.id, before).await.unwrap();
    assert_eq!(activity.success_micros, [1_234, 1_234]);
    assert_eq!((activity.failed_attempts, activity.failed_deliveries), (4, 2));
    assert_eq!(activity.pending, 2, "those in batches are not waiting");
    assert!(activity.oldest_pending_at.is_some_and(|at| at >= before));
    assert_eq!(activity.last_error.as_deref(), Some("status 503"));
    assert_eq!(activity.last_success_at, Some(scene.at(1)));
    let later = scene.store.endpoint_activity(endpoint.id, scene.at(3_600)).await.unwrap();
    assert_eq!((later.success_micros.len(), later.failed_attempts), (0, 0));
    assert_eq!(later.last_success_at, Some(scene.at(1)), "whenever that was");
    let untouched = scene.endpoint().await;
    let nothing = scene.store.endpoint_activity(untouched.id, before).await.unwrap();
    assert_eq!(nothing, crate::history::EndpointActivity::default());
}

pub async fn one_tenants_history_is_not_anothers(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    one_in_each_place(scene, &endpoint).await;
    let other: posthaste_core::Tenant = "other".parse().unwrap();
    for status in [None, Some(DeliveryStatus::Pending), Some(DeliveryStatus::Failed), Some(DeliveryStatus::Succeeded)] {
        for endpoint in [None, Some(endpoint.id)] {
            let filter = DeliveryFilter { tenant: Some(other.clone()), status, endpoint, ..DeliveryFilter::default() };
            assert!(ids(scene, &filter).await.is_empty(), "{status:?}");
        }
    }
    let stats = scene.store.stats(Some(&other)).await.unwrap();
    assert_eq!(stats, crate::history::Stats::default());
}

pub async fn counts_follow_what_happens(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let empty = scene.store.stats(None).await.unwrap();
    assert_eq!((empty.waiting, empty.failed, empty.in_batches, empty.oldest_pending_at), (0, 0, 0, None));
    assert_eq!(empty.endpoints, 1);
    let group = scene.publish(vec![scene.draft(&[&endpoint]); 3]).await;
    let waiting = scene.draft(&[&endpoint]).waits(scene.at(60), WaitingFor::Schedule);
    scene.publish(vec![waiting]).await;
    let number = scene.first.number;
    scene.record(vec![scene.attempted(&owed(&endpoint, &group, 0, 1), 1, number, fail())]).await;
    for tenant in [None, Some(&scene.tenant)] {
        let stats = scene.store.stats(tenant).await.unwrap();
        assert_eq!((stats.waiting, stats.failed, stats.endpoints), (1, 1, 1));
        assert!((2..=3).contains(&stats.in_batches), "an upper bound: {stats:?}");
        assert_eq!(stats.oldest_pending_at, Some(group.messages[0].message.id.timestamp()));
    }
    let finished = Flush { finished: vec![group.batch], ..Flush::default() };
    scene.store.record(scene.node(), &finished).await.unwrap();
    assert_eq!(scene.store.stats(None).await.unwrap().in_batches, 0);
}

/// A page's work is bounded, so it may come back short, but what there is comes in the end.
pub async fn a_rare_match_is_found_behind_many_others(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let mut rare = scene.draft(&[&endpoint]).topic("order.rare");
    rare.extras.metadata = notes(&[("k", "v")]);
    let rare = scene.publish(vec![rare]).await.messages.remove(0).message;
    let common = scene.draft(&[&endpoint]).waits(scene.at(60), WaitingFor::Schedule);
    for _ in 0..11 {
        scene.publish(vec![common.clone(); 500]).await;
    }
    let topic = Some("order.rare".parse().unwrap());
    let tenant = Some(scene.tenant.clone());
    let filter = DeliveryFilter { tenant: tenant.clone(), topic: topic.clone(), ..DeliveryFilter::default() };
    assert_eq!(list(scene, &filter, 10).await.len(), 1);
    let to_it = DeliveryFilter { endpoint: Some(endpoint.id), topic: topic.clone(), ..DeliveryFilter::default() };
    assert_eq!(list(scene, &to_it, 10).await.len(), 1);
    let by_note = MessageFilter {
        tenant: tenant.clone(),
        metadata: vec![("k".to_owned(), "v".to_owned())],
        ..MessageFilter::default()
    };
    for filter in [MessageFilter { tenant, topic, ..MessageFilter::default() }, by_note] {
        let (mut found, mut page) = (Vec::new(), Page::first(10));
        loop {
            let slice = scene.store.messages(&filter, page).await.unwrap();
            found.extend(slice.items.into_iter().map(|message| message.id));
            let Some(next) = slice.next else { break };
            page.before = Some(next);
        }
        assert_eq!(found, [rare.id]);
    }
    let stats = scene.store.stats(None).await.unwrap();
    assert_eq!((stats.waiting, stats.oldest_pending_at), (5_500, Some(rare.id.timestamp())));
}
