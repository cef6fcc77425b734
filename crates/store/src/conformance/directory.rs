//! The catalog as people read it.

use posthaste_core::{Endpoint, EndpointState};

use super::catalog::{key, topic};
use super::scene::Scene;
use crate::catalog::{EndpointFilter, TopicFilter};
use crate::{Page, Slice};

/// Walks all pages of that length, and checks that each is at most that long.
async fn walk<T>(limit: u32, mut read: impl AsyncFnMut(Page) -> Slice<T>) -> Vec<T> {
    let mut items = Vec::new();
    let mut page = Page::first(limit);
    loop {
        let slice = read(page).await;
        assert!(slice.items.len() <= limit as usize);
        items.extend(slice.items);
        match slice.next {
            Some(next) => {
                assert!(page.before.is_none_or(|before| next < before), "pages go on");
                page.before = Some(next);
            }
            None => return items,
        }
    }
}

pub async fn topics_are_listed_newest_first_page_by_page(scene: &Scene) {
    for (number, tenant) in [(1, None), (2, Some("acme")), (3, Some("other")), (4, None), (5, Some("acme"))] {
        scene.store.create_topic(&topic(scene, number, tenant, &format!("t{number}"))).await.unwrap();
    }
    let list = async |filter: TopicFilter, limit| {
        let topics = walk(limit, async |page| scene.store.topics(&filter, page).await.unwrap()).await;
        topics.into_iter().map(|topic| topic.id.bits() & 0xff).collect::<Vec<_>>()
    };
    assert_eq!(list(TopicFilter::default(), 2).await, [5, 4, 3, 2, 1]);
    assert_eq!(list(TopicFilter { visible_to: Some(scene.tenant.clone()) }, 1).await, [5, 4, 2, 1]);
    assert_eq!(list(TopicFilter { visible_to: Some("nobody".parse().unwrap()) }, 50).await, [4, 1]);
}

pub async fn endpoints_are_listed_by_tenant_topic_state_and_kind(scene: &Scene) {
    let make = async |change: &dyn Fn(&mut Endpoint)| {
        let mut endpoint = scene.unstored_endpoint();
        change(&mut endpoint);
        scene.store.create_endpoint(&endpoint, 10).await.unwrap();
        endpoint.id
    };
    let exact = make(&|one| one.settings.topics = vec!["order.created".parse().unwrap()]).await;
    let prefix = make(&|one| one.settings.topics = vec!["x".parse().unwrap(), "order.*".parse().unwrap()]).await;
    let paused = make(&|one| one.state = EndpointState::Paused).await;
    let none = make(&|one| one.settings.topics = vec![]).await;
    let adhoc = make(&|one| one.adhoc = true).await;
    let foreign = make(&|one| one.tenant = "other".parse().unwrap()).await;
    let list = async |filter: EndpointFilter| {
        let endpoints = walk(2, async |page| scene.store.endpoints(&filter, page).await.unwrap()).await;
        endpoints.into_iter().map(|endpoint| endpoint.id).collect::<Vec<_>>()
    };
    let acme = || EndpointFilter { tenant: Some(scene.tenant.clone()), ..EndpointFilter::default() };
    assert_eq!(list(EndpointFilter::default()).await, [foreign, none, paused, prefix, exact]);
    assert_eq!(list(acme()).await, [none, paused, prefix, exact]);
    assert_eq!(list(EndpointFilter { adhoc: true, ..acme() }).await, [adhoc]);
    let wants = |topic: &str| EndpointFilter { topic: Some(topic.parse().unwrap()), ..acme() };
    assert_eq!(list(wants("order.created")).await, [paused, prefix, exact]);
    assert_eq!(list(wants("x")).await, [prefix]);
    assert!(list(wants("y")).await.is_empty());
    assert_eq!(list(EndpointFilter { state: Some(EndpointState::Paused), ..acme() }).await, [paused]);
}

pub async fn keys_are_listed_by_tenant(scene: &Scene) {
    for (number, tenant) in [(1, None), (2, Some("acme")), (3, Some("other")), (4, Some("acme"))] {
        scene.store.create_key(&key(scene, number, tenant)).await.unwrap();
    }
    let all = walk(3, async |page| scene.store.keys(None, page).await.unwrap()).await;
    assert_eq!(all.iter().map(|key| key.hash[0]).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let own = walk(1, async |page| scene.store.keys(Some(&scene.tenant), page).await.unwrap()).await;
    assert_eq!(own.iter().map(|key| key.hash[0]).collect::<Vec<_>>(), [4, 2]);
}

pub async fn tenants_are_those_that_own_anything(scene: &Scene) {
    scene.store.create_topic(&topic(scene, 1, Some("a-topic"), "t")).await.unwrap();
    scene.store.create_topic(&topic(scene, 2, None, "t")).await.unwrap();
    scene.store.create_key(&key(scene, 1, Some("b-key"))).await.unwrap();
    let endpoint = scene.endpoint().await;
    let draft = scene.draft(&[&endpoint]).tenant("z-message");
    scene.publish(vec![draft]).await;
    let all = scene.store.tenants(None, 10).await.unwrap();
    let names: Vec<&str> = all.iter().map(posthaste_core::Tenant::as_str).collect();
    assert_eq!(names, ["a-topic", "acme", "b-key", "z-message"]);
    let page = scene.store.tenants(Some(&all[1]), 1).await.unwrap();
    assert_eq!(page, [all[2].clone()]);
}
