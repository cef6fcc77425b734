//! Topics, endpoints, keys and the version that counts their changes.

use std::time::Duration;

use posthaste_core::endpoint::{
    BodyFormat, Challenge, Guarantee, OnFailed, Ordering, RateLimit, SealedSecrets, SettingsAt, SignatureStyle,
    Verification,
};
use posthaste_core::id::{KeyKind, TopicKind};
use posthaste_core::retry::RetryPolicy;
use posthaste_core::topic::TopicDetails;
use posthaste_core::{ApiKey, EndpointId, EndpointState, Id, KeyId, Scope, Span, Tenant, Topic, TopicName};

use super::scene::{Scene, notes};
use crate::catalog::Force;
use crate::{CatalogVersion, Conflict, Flush, Health, Result, StoreError};

/// A topic of that tenant, `None` for the common catalogue.
pub(super) fn topic(scene: &Scene, number: u128, tenant: Option<&str>, name: &str) -> Topic {
    Topic {
        id: Id::<TopicKind>::random(scene.now, number),
        tenant: tenant.map(|tenant| tenant.parse().expect("a tenant")),
        name: name.parse().expect("a name"),
        details: TopicDetails { title: Some(format!("{name} {number}")), ..TopicDetails::default() },
        revision: 1,
        created_at: scene.now,
        updated_at: scene.now,
    }
}

pub(super) fn key(scene: &Scene, number: u8, tenant: Option<&str>) -> ApiKey {
    ApiKey {
        id: Id::<KeyKind>::random(scene.now, u128::from(number)),
        name: format!("key {number}"),
        hash: [number; 32],
        scopes: vec![Scope::Publish, Scope::Read],
        tenant: tenant.map(|tenant| tenant.parse().expect("a tenant")),
        expires_at: Some(scene.at(60)),
        last_used_at: None,
        created_at: scene.now,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "takes what a verb returned, which nobody needs after")]
pub(super) fn conflict<T>(result: Result<T>) -> Option<Conflict> {
    match result {
        Err(StoreError::Conflict(conflict)) => Some(conflict),
        _ => None,
    }
}

fn name(text: &str) -> TopicName {
    text.parse().expect("a name")
}

fn tenant(text: &str) -> Tenant {
    text.parse().expect("a tenant")
}

async fn version(scene: &Scene) -> CatalogVersion {
    scene.store.load_tenant(&scene.tenant).await.unwrap().version
}

pub async fn a_topic_has_its_name_once_for_a_tenant_and_once_in_the_common_catalogue(scene: &Scene) {
    let store = &scene.store;
    store.create_topic(&topic(scene, 1, None, "order.created")).await.unwrap();
    store.create_topic(&topic(scene, 2, Some("acme"), "order.created")).await.unwrap();
    store.create_topic(&topic(scene, 3, Some("other"), "order.created")).await.unwrap();
    for (number, tenant) in [(4, None), (5, Some("acme"))] {
        let again = store.create_topic(&topic(scene, number, tenant, "order.created")).await;
        assert_eq!(conflict(again), Some(Conflict::TopicExists), "{tenant:?}");
    }
    let common = store.topic(None, &name("order.created")).await.unwrap().unwrap();
    assert_eq!(common, topic(scene, 1, None, "order.created"));
}

pub async fn a_tenants_own_topic_hides_the_common_one_of_its_name(scene: &Scene) {
    let store = &scene.store;
    for (number, tenant, text) in [(1, None, "a"), (2, None, "b"), (3, Some("acme"), "b"), (4, Some("other"), "c")] {
        store.create_topic(&topic(scene, number, tenant, text)).await.unwrap();
    }
    let seen = async |who: &str| {
        let mut topics = store.load_tenant(&tenant(who)).await.unwrap().topics;
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics.into_iter().map(|topic| topic.id.bits() & 0xff).collect::<Vec<_>>()
    };
    assert_eq!(seen("acme").await, [1, 3]);
    assert_eq!(seen("other").await, [1, 2, 4]);
    assert_eq!(seen("nobody").await, [1, 2]);
    let nobody = store.load_tenant(&tenant("nobody")).await.unwrap();
    assert!(nobody.endpoints.is_empty() && nobody.failing.is_empty());
}

pub async fn a_topic_is_replaced_only_by_who_saw_its_last_revision(scene: &Scene) {
    let store = &scene.store;
    let first = topic(scene, 1, Some("acme"), "a");
    store.create_topic(&first).await.unwrap();
    let details = TopicDetails {
        description: Some("ünïcode \u{1f600}".to_owned()),
        example: Some(serde_json::json!({"n": 1.5, "deep": [null, {"x": "\u{0001}"}]})),
        ..TopicDetails::default()
    };
    let second = Topic { details, revision: 2, updated_at: scene.at(5), ..first.clone() };
    store.update_topic(&second).await.unwrap();
    assert_eq!(store.topic(first.tenant.as_ref(), &first.name).await.unwrap(), Some(second.clone()));
    assert_eq!(conflict(store.update_topic(&second).await), Some(Conflict::RevisionMoved));
    assert_eq!(store.topic(first.tenant.as_ref(), &first.name).await.unwrap(), Some(second));
}

pub async fn a_topic_that_an_endpoint_names_goes_only_by_force(scene: &Scene) {
    let store = &scene.store;
    for (number, tenant, text) in [(1, None, "a.b"), (2, Some("acme"), "a.c"), (3, None, "a.c"), (4, None, "a.d")] {
        store.create_topic(&topic(scene, number, tenant, text)).await.unwrap();
    }
    let mut endpoint = scene.unstored_endpoint();
    endpoint.settings.topics = ["a.b", "a.c", "a.*"].map(|pattern| pattern.parse().unwrap()).to_vec();
    store.create_endpoint(&endpoint, 10).await.unwrap();
    let acme = tenant("acme");
    let delete = async |owner: Option<&Tenant>, text: &str, force| {
        store.delete_topic(owner, &name(text), force, scene.at(1)).await
    };
    assert_eq!(conflict(delete(None, "a.b", Force::No).await), Some(Conflict::TopicInUse));
    assert_eq!(conflict(delete(Some(&acme), "a.c", Force::No).await), Some(Conflict::TopicInUse));
    // The endpoint's tenant has an own one of that name, so it does not see this one.
    delete(None, "a.c", Force::No).await.unwrap();
    // A pattern is not a name.
    delete(None, "a.d", Force::No).await.unwrap();
    delete(None, "a.b", Force::Yes).await.unwrap();
    assert_eq!(store.topic(None, &name("a.b")).await.unwrap(), None);
    assert!(matches!(delete(None, "a.b", Force::Yes).await, Err(StoreError::NotFound)));
}

pub async fn every_change_moves_the_version_and_says_whose_it_was(scene: &Scene) {
    let store = &scene.store;
    let mut seen = version(scene).await;
    let nothing = store.changes(seen).await.unwrap();
    assert_eq!(
        (nothing.version, nothing.tenants.as_slice(), nothing.everyone, nothing.keys),
        (seen, &[][..], false, false)
    );
    let endpoint = scene.endpoint().await;
    let changes = store.changes(seen).await.unwrap();
    assert!(changes.version > seen);
    assert_eq!((changes.tenants, changes.everyone, changes.keys), (vec![scene.tenant.clone()], false, false));
    seen = changes.version;
    store.create_topic(&topic(scene, 1, None, "a")).await.unwrap();
    let changes = store.changes(seen).await.unwrap();
    assert!(changes.version > seen && changes.everyone && !changes.keys);
    seen = changes.version;
    store.create_key(&key(scene, 1, None)).await.unwrap();
    let changes = store.changes(seen).await.unwrap();
    assert!(changes.version > seen && changes.keys && !changes.everyone && changes.tenants.is_empty());
    seen = changes.version;
    store.create_topic(&topic(scene, 2, Some("other"), "a")).await.unwrap();
    store.delete_endpoint(endpoint.id, scene.at(1)).await.unwrap();
    let mut changes = store.changes(seen).await.unwrap();
    changes.tenants.sort();
    assert_eq!(changes.tenants, [scene.tenant.clone(), tenant("other")]);
    assert_eq!(version(scene).await, changes.version);
    // A change that was refused is none.
    assert!(store.create_topic(&topic(scene, 3, Some("other"), "a")).await.is_err());
    assert!(store.changes(changes.version).await.unwrap().tenants.is_empty());
}

pub async fn an_endpoint_comes_back_exactly_as_it_was_written(scene: &Scene) {
    let mut endpoint = scene.unstored_endpoint();
    endpoint.uid = Some("mine:1 ü".to_owned());
    endpoint.state = EndpointState::PendingVerification;
    endpoint.state_reason = Some("asked".to_owned());
    endpoint.challenge = Some(Challenge { token_hash: "ab".repeat(32), expires_at: scene.at(60) });
    endpoint.secrets = SealedSecrets((0..=255).collect());
    let settings = &mut endpoint.settings;
    settings.name = Some("Näme".to_owned());
    settings.topics = vec!["*".parse().unwrap(), "a.*".parse().unwrap(), "a.b".parse().unwrap()];
    settings.method = String::from("PUT");
    settings.headers = notes(&[("x-a", "1"), ("x-b", "2")]);
    settings.content_type = Some("text/plain".to_owned());
    settings.body_format = BodyFormat::Envelope;
    settings.signature_styles = vec![SignatureStyle::Github, SignatureStyle::StandardEd25519];
    settings.filter = Some(serde_json::json!({"payload.total": {"$gte": 100}}));
    settings.max_attempts = Some(2_147_483_647);
    settings.give_up_after_seconds = Some(Span::from_secs(7));
    settings.timeout_seconds = Span::from_seconds(0.5).unwrap();
    settings.retry = RetryPolicy { schedule_seconds: None, factor: 1.5, ..RetryPolicy::default() };
    settings.success_codes = Some(vec![200, 404]);
    settings.require_empty_response = true;
    settings.rate_limit = Some(RateLimit { per_second: 0.1, burst: 3 });
    settings.max_in_flight = 1;
    settings.ordering = Ordering::Fifo;
    settings.fifo_on_failed = OnFailed::Hold;
    settings.guarantee = Guarantee::AtMostOnce;
    settings.settings = SettingsAt::AtPublish;
    settings.verification = Verification::CloudEvents;
    settings.dead_letter_endpoint_id = Some(EndpointId::from_bits(u128::MAX));
    settings.disable_after_seconds = None;
    settings.metadata = notes(&[("k", "v\u{0000}w")]);
    scene.store.create_endpoint(&endpoint, 10).await.unwrap();
    assert_eq!(scene.store.endpoint(endpoint.id).await.unwrap(), Some(endpoint.clone()));
    assert_eq!(scene.store.load_tenant(&scene.tenant).await.unwrap().endpoints, [endpoint]);
}

pub async fn an_endpoint_is_replaced_only_by_who_saw_its_last_revision(scene: &Scene) {
    let mut endpoint = scene.endpoint().await;
    endpoint.revision = 2;
    endpoint.state = EndpointState::Disabled;
    endpoint.state_reason = Some("too many failures".to_owned());
    endpoint.updated_at = scene.at(9);
    scene.store.update_endpoint(&endpoint, None).await.unwrap();
    let lost = scene.store.update_endpoint(&endpoint, None).await;
    assert_eq!(conflict(lost), Some(Conflict::RevisionMoved));
    assert_eq!(scene.store.endpoint(endpoint.id).await.unwrap(), Some(endpoint));
}

/// What was checked against the tenant's other endpoints holds when it is written.
pub async fn an_endpoint_that_was_checked_is_replaced_only_if_nothing_of_its_tenant_changed(scene: &Scene) {
    let (mut endpoint, mut other) = (scene.endpoint().await, scene.endpoint().await);
    let mut foreign = scene.unstored_endpoint();
    foreign.tenant = "other".parse().unwrap();
    let checked = async || Some(scene.store.load_tenant(&scene.tenant).await.unwrap().version);
    let before = checked().await;
    scene.store.create_endpoint(&foreign, 10).await.unwrap();
    endpoint.revision += 1;
    scene.store.update_endpoint(&endpoint, before).await.expect("another tenant's change is none");
    let before = checked().await;
    other.revision += 1;
    scene.store.update_endpoint(&other, before).await.unwrap();
    endpoint.revision += 1;
    let refused = scene.store.update_endpoint(&endpoint, before).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::RevisionMoved))), "{refused:?}");
    assert_eq!(scene.store.endpoint(endpoint.id).await.unwrap().unwrap().revision, 2);
    scene.store.update_endpoint(&endpoint, checked().await).await.unwrap();
}

pub async fn an_endpoints_revisions_outlive_it(scene: &Scene) {
    let first = scene.endpoint().await;
    let mut second = first.clone();
    second.settings.url = String::from("https://elsewhere.example/");
    second.revision = 2;
    scene.store.update_endpoint(&second, None).await.unwrap();
    scene.store.delete_endpoint(first.id, scene.at(1)).await.unwrap();
    assert_eq!(scene.store.endpoint(first.id).await.unwrap(), None);
    assert_eq!(scene.store.endpoint_revision(first.id, 1).await.unwrap(), Some(first.settings));
    assert_eq!(scene.store.endpoint_revision(first.id, 2).await.unwrap(), Some(second.settings));
    assert_eq!(scene.store.endpoint_revision(first.id, 3).await.unwrap(), None);
}

pub async fn a_uid_names_one_endpoint_of_its_tenant(scene: &Scene) {
    let mut one = scene.unstored_endpoint();
    one.uid = Some("x".to_owned());
    scene.store.create_endpoint(&one, 10).await.unwrap();
    let mut other = scene.unstored_endpoint();
    other.uid = Some("x".to_owned());
    assert_eq!(conflict(scene.store.create_endpoint(&other, 10).await), Some(Conflict::UidTaken));
    assert_eq!(scene.store.endpoint(other.id).await.unwrap(), None, "nothing of it was written");
    other.tenant = tenant("other");
    scene.store.create_endpoint(&other, 10).await.unwrap();
    assert_eq!(scene.store.endpoint_by_uid(&other.tenant, "x").await.unwrap(), Some(other));
    assert_eq!(scene.store.endpoint_by_uid(&one.tenant, "x").await.unwrap(), Some(one.clone()));
    assert_eq!(scene.store.endpoint_by_uid(&one.tenant, "y").await.unwrap(), None);
    // What is gone gives its uid back.
    scene.store.delete_endpoint(one.id, scene.at(1)).await.unwrap();
    let mut next = scene.unstored_endpoint();
    next.uid = Some("x".to_owned());
    scene.store.create_endpoint(&next, 10).await.unwrap();
}

pub async fn a_tenant_has_only_so_many_ad_hoc_endpoints(scene: &Scene) {
    scene.endpoint().await;
    scene.endpoint().await;
    let adhoc = || posthaste_core::Endpoint { adhoc: true, ..scene.unstored_endpoint() };
    let (one, other) = (adhoc(), adhoc());
    scene.store.create_endpoint(&one, 2).await.unwrap();
    assert_eq!(conflict(scene.store.create_endpoint(&one, 2).await), Some(Conflict::IdTaken));
    scene.store.create_endpoint(&other, 2).await.unwrap();
    assert_eq!(conflict(scene.store.create_endpoint(&adhoc(), 2).await), Some(Conflict::TooManyAdhoc));
    let elsewhere = posthaste_core::Endpoint { tenant: tenant("other"), ..adhoc() };
    scene.store.create_endpoint(&elsewhere, 2).await.unwrap();
    // Registered ones are not counted.
    scene.endpoint().await;
}

pub async fn a_key_is_found_by_its_hash_until_it_is_deleted(scene: &Scene) {
    let (one, other) = (key(scene, 1, Some("acme")), key(scene, 2, None));
    scene.store.create_key(&one).await.unwrap();
    scene.store.create_key(&other).await.unwrap();
    assert_eq!(scene.store.key_by_hash(&[1; 32]).await.unwrap(), Some(one.clone()));
    assert_eq!(scene.store.key(other.id).await.unwrap(), Some(other));
    scene.store.delete_key(one.id, scene.at(1)).await.unwrap();
    assert_eq!(scene.store.key_by_hash(&[1; 32]).await.unwrap(), None);
    assert_eq!(scene.store.key(one.id).await.unwrap(), None);
}

pub async fn the_use_of_a_key_never_moves_back_nor_moves_the_version(scene: &Scene) {
    let one = key(scene, 1, None);
    scene.store.create_key(&one).await.unwrap();
    let before = version(scene).await;
    let (early, late) = (scene.at(10), scene.at(10) + Duration::from_secs(60));
    for used in [late, early] {
        let gone = KeyId::from_bits(77);
        scene.store.touch_keys(&[(one.id, used), (gone, used)]).await.unwrap();
    }
    assert_eq!(scene.store.key(one.id).await.unwrap().unwrap().last_used_at, Some(late));
    assert_eq!(version(scene).await, before);
}

pub async fn what_does_not_exist_is_not_found(scene: &Scene) {
    let before = version(scene).await;
    let not_found = |result: Result<()>| matches!(result, Err(StoreError::NotFound));
    let endpoint = posthaste_core::Endpoint { revision: 2, ..scene.unstored_endpoint() };
    assert!(not_found(scene.store.update_endpoint(&endpoint, None).await));
    assert!(not_found(scene.store.delete_endpoint(endpoint.id, scene.now).await));
    let topic = Topic { revision: 2, ..topic(scene, 1, None, "a") };
    assert!(not_found(scene.store.update_topic(&topic).await));
    assert!(not_found(scene.store.delete_topic(None, &topic.name, Force::No, scene.now).await));
    assert!(not_found(scene.store.delete_key(KeyId::from_bits(5), scene.now).await));
    assert_eq!(version(scene).await, before, "nothing was written");
}

pub async fn an_endpoints_failing_is_in_the_catalog_until_it_succeeds(scene: &Scene) {
    let endpoint = scene.endpoint().await;
    let before = version(scene).await;
    let note = async |failing_since| {
        let health = vec![Health { endpoint: endpoint.id, failing_since }];
        scene.store.record(scene.node(), &Flush { health, ..Flush::default() }).await.unwrap();
        scene.store.load_tenant(&scene.tenant).await.unwrap().failing
    };
    assert_eq!(note(Some(scene.at(10))).await, [(endpoint.id, scene.at(10))]);
    // The first failure since the last success stays.
    assert_eq!(note(Some(scene.at(20))).await, [(endpoint.id, scene.at(10))]);
    assert!(note(None).await.is_empty());
    assert_eq!(note(Some(scene.at(30))).await, [(endpoint.id, scene.at(30))]);
    assert_eq!(version(scene).await, before, "health is no change of the catalog");
}
