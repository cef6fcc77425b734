//! Many at once shows what one by one would.

use std::collections::HashMap;
use std::hash::Hash;

use posthaste_core::delivery::Next;
use posthaste_core::{Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, MessageId, WaitingFor};

use super::scene::{Owed, Scene, fail, retry};
use crate::history::DeliveryFilter;
use crate::queue::From;
use crate::relations::{Captures, FirstPages, Firsts};
use crate::{Group, Page, Slice};

const STATES: [Option<DeliveryStatus>; 5] = [
    None,
    Some(DeliveryStatus::Pending),
    Some(DeliveryStatus::Succeeded),
    Some(DeliveryStatus::Failed),
    Some(DeliveryStatus::Cancelled),
];

/// Five messages to each of these endpoints, of which one succeeded, one failed, one was cancelled and one waits, each of
/// them to everybody; the last is on its way.
async fn in_every_place(scene: &Scene, endpoints: &[&Endpoint]) -> Group {
    let group = scene.publish(vec![scene.draft(endpoints); 5]).await;
    let number = scene.first.number;
    let mut settled = Vec::new();
    for (position, endpoint) in (1u32..).zip(endpoints) {
        let owed = |message: usize| Owed {
            endpoint: endpoint.id,
            delivery: group.messages[message].message.id.delivery(position),
            from: From::Batch(group.batch),
            batch: group.batch,
        };
        settled.push(scene.attempted(&owed(0), 1, number, Next::Succeeded));
        settled.push(scene.attempted(&owed(1), 1, number, fail()));
        settled.push(scene.attempted(&owed(3), 1, number, retry(scene.at(60))));
        scene.store.cancel_delivery(owed(2).delivery, scene.at(2)).await.unwrap();
    }
    scene.record(settled).await;
    group
}

fn ids(group: &Group) -> Vec<MessageId> {
    group.messages.iter().map(|new| new.message.id).collect()
}

pub async fn what_is_read_by_many_ids_is_what_each_of_them_shows(scene: &Scene) {
    let (one, other) = (scene.endpoint().await, scene.endpoint().await);
    let group = in_every_place(scene, &[&one, &other]).await;
    let absent = MessageId::from_bits(group.messages[4].message.id.bits() + (1 << 46));
    let mut wanted = ids(&group);
    wanted.push(absent);
    let mut messages = scene.store.messages_by_id(None, &wanted).await.unwrap();
    messages.sort_by_key(|message| message.id);
    let expected: Vec<_> = group.messages.iter().map(|new| (*new.message).clone()).collect();
    assert_eq!(messages, expected);
    let mut wanted: Vec<DeliveryId> = ids(&group).iter().flat_map(|id| [id.delivery(1), id.delivery(2)]).collect();
    wanted.extend([absent.delivery(1), group.messages[0].message.id.delivery(3)]);
    let mut deliveries = scene.store.deliveries_by_id(None, &wanted).await.unwrap();
    deliveries.sort_by_key(|delivery| delivery.id);
    assert_eq!(deliveries.len(), 10);
    for delivery in deliveries {
        assert_eq!(scene.delivery(delivery.id).await, delivery);
    }
    let wanted = [one.id, scene.unstored_endpoint().id, other.id];
    let mut endpoints = scene.store.endpoints_by_id(None, &wanted).await.unwrap();
    endpoints.sort_by_key(|endpoint| endpoint.id != one.id);
    assert_eq!(endpoints, [one.clone(), other.clone()]);
    assert_eq!(scene.store.messages_by_id(None, &[]).await.unwrap(), []);
}

pub async fn another_tenants_things_are_as_absent(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let group = in_every_place(scene, &[&endpoint]).await;
    let other: posthaste_core::Tenant = "other".parse().unwrap();
    let deliveries: Vec<DeliveryId> = ids(&group).iter().map(|id| id.delivery(1)).collect();
    for (tenant, there) in [(&scene.tenant, true), (&other, false)] {
        let own = Some(tenant);
        let store = &scene.store;
        assert_eq!(store.messages_by_id(own, &ids(&group)).await.unwrap().len(), if there { 5 } else { 0 });
        assert_eq!(store.payloads_by_id(own, &ids(&group), 1_000).await.unwrap().found.is_empty(), !there);
        assert_eq!(store.endpoints_by_id(own, &[endpoint.id]).await.unwrap().is_empty(), !there);
        assert_eq!(store.deliveries_by_id(own, &deliveries).await.unwrap().len(), if there { 5 } else { 0 });
        let attempts = store.attempts_of(own, &deliveries, 3, Captures::Read).await.unwrap();
        assert_eq!(attempts.values().all(|page| page.items.is_empty()), !there);
        for status in STATES {
            let firsts = Firsts { tenant: Some(tenant.clone()), status, limit: 3 };
            let of_messages = store.deliveries_of_messages(&firsts, &ids(&group)).await.unwrap();
            assert_eq!(of_messages.values().all(|page| page.items.is_empty()), !there, "{status:?}");
            let of_endpoints = store.deliveries_of_endpoints(&firsts, &[endpoint.id]).await.unwrap();
            assert_eq!(of_endpoints.values().all(|page| page.items.is_empty()), !there, "{status:?}");
        }
    }
}

pub async fn payloads_come_in_order_as_far_as_they_fit(scene: &Scene) {
    let mut drafts = Vec::new();
    for length in [10, 20, 0, 30, 5] {
        let mut draft = scene.draft(&[]);
        draft.payload = vec![b'x'; length].into();
        drafts.push(draft);
    }
    let group = scene.publish(drafts).await;
    let all = ids(&group);
    for (most, fit) in [(0, 1), (29, 1), (30, 3), (59, 3), (60, 4), (65, 5), (1_000, 5)] {
        let payloads = scene.store.payloads_by_id(None, &all, most).await.unwrap();
        assert_eq!((payloads.looked_at, payloads.found.len()), (fit, fit), "{most} bytes");
        for new in &group.messages[..fit] {
            assert_eq!(payloads.found[&new.message.id], new.payload);
        }
    }
    // What is not there takes no room, and is looked at.
    let absent = MessageId::from_bits(all[4].bits() + (1 << 46));
    let payloads = scene.store.payloads_by_id(None, &[absent, all[3], absent, all[4]], 30).await.unwrap();
    assert_eq!((payloads.looked_at, payloads.found.len()), (3, 1));
}

pub async fn an_endpoints_settings_are_read_at_many_revisions(scene: &Scene) {
    let mut endpoint = scene.endpoint().await;
    let first = endpoint.settings.clone();
    (endpoint.revision, endpoint.settings.name) = (2, Some("second".to_owned()));
    scene.store.update_endpoint(&endpoint, None).await.unwrap();
    let gone = scene.endpoint().await;
    scene.store.delete_endpoint(gone.id, scene.at(1)).await.unwrap();
    let wanted = [(endpoint.id, 1), (endpoint.id, 2), (endpoint.id, 3), (gone.id, 1)];
    let found = scene.store.endpoint_revisions(&wanted).await.unwrap();
    let expected = HashMap::from([
        ((endpoint.id, 1), first),
        ((endpoint.id, 2), endpoint.settings.clone()),
        ((gone.id, 1), gone.settings.clone()),
    ]);
    assert_eq!(found, expected);
}

/// Each first page, followed by the list from its `next` on, has to be the list.
async fn are_the_lists<K: Copy + Eq + Hash + std::fmt::Debug>(
    scene: &Scene,
    firsts: &Firsts,
    mut pages: FirstPages<K, Delivery>,
    filter: impl Fn(K) -> DeliveryFilter,
    parents: &[K],
) {
    for parent in parents {
        let filter = DeliveryFilter { tenant: firsts.tenant.clone(), status: firsts.status, ..filter(*parent) };
        let list = async |mut page: Page| {
            let mut all = Vec::new();
            loop {
                let slice = scene.store.deliveries(&filter, page).await.unwrap();
                all.extend(slice.items);
                let Some(next) = slice.next else { return all };
                page.before = Some(next);
            }
        };
        let whole = list(Page::first(50)).await;
        let Slice { mut items, next } = pages.remove(parent).unwrap_or(Slice { items: Vec::new(), next: None });
        assert!(items.len() <= firsts.limit as usize, "{firsts:?}");
        assert_eq!(items, whole[..items.len()], "{firsts:?}, {parent:?}");
        if let Some(next) = next {
            items.extend(list(Page { before: Some(next), limit: 50 }).await);
        }
        assert_eq!(items, whole, "{firsts:?}, {parent:?}: nothing is skipped");
    }
    assert!(pages.is_empty(), "nobody else's");
}

pub async fn the_first_pages_of_many_messages_are_those_of_their_lists(scene: &Scene) {
    let endpoints = [scene.endpoint().await, scene.endpoint().await, scene.endpoint().await];
    let group = in_every_place(scene, &endpoints.each_ref()).await;
    let none = scene.publish(vec![scene.draft(&[])]).await;
    let parents: Vec<MessageId> = ids(&group).into_iter().chain(ids(&none)).collect();
    for limit in [1, 2, 3, 10] {
        for status in STATES {
            let firsts = Firsts { tenant: None, status, limit };
            let pages = scene.store.deliveries_of_messages(&firsts, &parents).await.unwrap();
            let filter = |message| DeliveryFilter { message: Some(message), ..DeliveryFilter::default() };
            are_the_lists(scene, &firsts, pages, filter, &parents).await;
        }
    }
    let whole = Firsts { tenant: None, status: None, limit: 3 };
    let pages = scene.store.deliveries_of_messages(&whole, &parents).await.unwrap();
    for id in ids(&group) {
        assert_eq!((pages[&id].items.len(), pages[&id].next), (3, None), "a full page that is the last");
    }
}

pub async fn the_first_pages_to_many_endpoints_are_those_of_their_lists(scene: &Scene) {
    let (one, other, idle) = (scene.endpoint().await, scene.endpoint().await, scene.endpoint().await);
    in_every_place(scene, &[&one, &other]).await;
    in_every_place(scene, &[&other]).await;
    // A success that is retried is in two indexes and one place.
    let succeeded = Firsts { tenant: None, status: Some(DeliveryStatus::Succeeded), limit: 1 };
    let pages = scene.store.deliveries_of_endpoints(&succeeded, &[one.id]).await.unwrap();
    scene.store.retry_delivery(pages[&one.id].items[0].id, scene.at(9)).await.unwrap();
    let waits = scene.draft(&[&one]).waits(scene.at(5), WaitingFor::Schedule);
    scene.publish(vec![waits]).await;
    let parents: Vec<EndpointId> = vec![one.id, other.id, idle.id];
    for limit in [1, 2, 3, 5, 50] {
        for status in STATES {
            for tenant in [None, Some(scene.tenant.clone())] {
                let firsts = Firsts { tenant, status, limit };
                let pages = scene.store.deliveries_of_endpoints(&firsts, &parents).await.unwrap();
                if status.is_none() && limit == 5 {
                    assert_eq!((pages[&one.id].items.len(), pages[&other.id].items.len()), (5, 5));
                }
                let filter = |endpoint| DeliveryFilter { endpoint: Some(endpoint), ..DeliveryFilter::default() };
                are_the_lists(scene, &firsts, pages, filter, &parents).await;
            }
        }
    }
}

pub async fn the_newest_attempts_of_many_deliveries_are_those_of_each(scene: &Scene) {
    let (tried, once, never) = (scene.one_in_batch().await, scene.one_in_batch().await, scene.one_in_batch().await);
    let number = scene.first.number;
    for attempt in 1..=4 {
        let from = if attempt == 1 { tried } else { tried.after(attempt - 1) };
        scene.record(vec![scene.attempted(&from, attempt, number, retry(scene.now))]).await;
    }
    scene.record(vec![scene.attempted(&once, 1, number, Next::Succeeded)]).await;
    let all = [tried.delivery, once.delivery, never.delivery];
    for limit in [1, 3, 4, 9] {
        let mut pages = scene.store.attempts_of(Some(&scene.tenant), &all, limit, Captures::Read).await.unwrap();
        let bare = scene.store.attempts_of(None, &all, limit, Captures::Left).await.unwrap();
        for delivery in all {
            let expected = scene.store.attempts(delivery, Page::first(limit)).await.unwrap();
            let page = pages.remove(&delivery).unwrap_or(Slice { items: Vec::new(), next: None });
            assert_eq!(page, expected, "{limit}");
            let plain = bare.get(&delivery).map_or(&[][..], |page| &page.items);
            assert!(plain.iter().all(|(_, capture)| capture.is_none()));
            assert!(plain.iter().map(|(attempt, _)| attempt).eq(expected.items.iter().map(|(attempt, _)| attempt)));
        }
    }
}
