//! Topics, endpoints, subscriptions.

use posthaste_grpc::proto::{
    BodyFormat, CreateEndpointRequest, CreateTopicRequest, DeleteEndpointRequest, DeleteTopicRequest, EndpointSettings,
    EndpointState, GetEndpointRequest, GetEndpointSecretRequest, GetTopicRequest, ListEndpointsRequest,
    ListTopicsRequest, Ordering, Outcome, PauseEndpointRequest, RateLimit, ResumeEndpointRequest, RetryPolicy,
    RotateEndpointSecretRequest, SignatureStyle, SubscribeRequest, TestEndpointRequest, TopicDetails,
    UnsubscribeRequest, UpdateEndpointRequest, UpdateTopicRequest,
};
use posthaste_testkit::Receiver;
use prost_types::value::Kind;
use prost_types::{FieldMask, Struct, Value};
use tonic::Code;

use crate::stage::{Stage, json, refused, request};

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Struct {
    Struct { fields: members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

fn mask<const N: usize>(paths: [&str; N]) -> FieldMask {
    FieldMask { paths: paths.map(str::to_owned).to_vec() }
}

#[tokio::test]
async fn a_topic_is_made_changed_by_mask_and_removed() {
    let stage = Stage::open().await;
    let mut catalog = stage.catalog();
    let schema = Value { kind: Some(Kind::StructValue(object([("type", text("object"))]))) };
    let details =
        TopicDetails { title: Some("Orders".to_owned()), schema: Some(schema.clone()), ..TopicDetails::default() };
    let create = CreateTopicRequest { name: "order".to_owned(), details: Some(details), tenant: None };
    let topic = catalog.create_topic(create.clone()).await.unwrap().into_inner();
    assert_eq!((topic.name.as_str(), topic.revision), ("order", 1));
    assert_eq!(topic.details.unwrap().schema, Some(schema));
    refused(catalog.create_topic(create).await, Code::AlreadyExists, "topic_exists", "-");
    refused(
        stage.publisher().publish(request(json("order", "[]"))).await,
        Code::InvalidArgument,
        "invalid",
        "/message/payload",
    );
    let change = UpdateTopicRequest {
        name: "order".to_owned(),
        details: Some(TopicDetails { description: Some("All of them".to_owned()), ..TopicDetails::default() }),
        update_mask: Some(mask(["description", "schema"])),
        if_revision: Some(1),
        ..UpdateTopicRequest::default()
    };
    let details = catalog.update_topic(change.clone()).await.unwrap().into_inner().details.unwrap();
    assert_eq!((details.title.as_deref(), details.description.as_deref()), (Some("Orders"), Some("All of them")));
    assert_eq!(details.schema, None);
    refused(catalog.update_topic(change.clone()).await, Code::Aborted, "precondition_failed", "-");
    let wrong = UpdateTopicRequest { update_mask: Some(mask(["name"])), ..change };
    refused(catalog.update_topic(wrong).await, Code::InvalidArgument, "invalid", "/update_mask");
    stage.publish(json("order", "[]")).await;
    let delete = DeleteTopicRequest { name: "order".to_owned(), ..DeleteTopicRequest::default() };
    catalog.delete_topic(delete).await.unwrap();
    let get = GetTopicRequest { name: "order".to_owned(), tenant: None };
    refused(catalog.get_topic(get).await, Code::NotFound, "not_found", "-");
}

#[tokio::test]
async fn lists_page_and_their_cursors_fit_no_other_list() {
    let stage = Stage::open().await;
    for name in ["a", "b", "c"] {
        stage.topic(name).await;
    }
    let mut catalog = stage.catalog();
    let first = ListTopicsRequest { limit: Some(2), ..ListTopicsRequest::default() };
    let page = catalog.list_topics(first.clone()).await.unwrap().into_inner();
    let names: Vec<_> = page.data.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!((names, page.next_cursor.is_some()), (vec!["c", "b"], true));
    let next = ListTopicsRequest { cursor: page.next_cursor.clone(), ..first.clone() };
    let rest = catalog.list_topics(next).await.unwrap().into_inner();
    assert_eq!((rest.data[0].name.as_str(), rest.data.len(), rest.next_cursor), ("a", 1, None));
    let other = ListEndpointsRequest { cursor: page.next_cursor, ..ListEndpointsRequest::default() };
    refused(catalog.list_endpoints(other).await, Code::InvalidArgument, "invalid", "/cursor");
    let long = ListTopicsRequest { limit: Some(251), ..first };
    refused(catalog.list_topics(long).await, Code::InvalidArgument, "invalid", "/limit");
}

/// Settings that differ from every default.
fn unusual(url: &str) -> EndpointSettings {
    EndpointSettings {
        name: Some("Shop".to_owned()),
        url: Some(url.to_owned()),
        topics: vec!["order.*".to_owned()],
        filter: Some(object([("payload.country", text("DE"))])),
        method: Some("PUT".to_owned()),
        headers: [("x-a".to_owned(), "1".to_owned()), ("x-b".to_owned(), "2".to_owned())].into(),
        content_type: Some("text/plain".to_owned()),
        body_format: BodyFormat::Envelope.into(),
        signature_styles: vec![SignatureStyle::Github.into(), SignatureStyle::StandardEd25519.into()],
        unsigned: false,
        max_attempts: Some(3),
        give_up_after_seconds: Some(7.5),
        timeout_seconds: Some(1.5),
        retry: Some(RetryPolicy {
            schedule_seconds: Vec::new(),
            backoff: true,
            min_backoff_seconds: Some(1.0),
            max_backoff_seconds: Some(60.0),
            factor: Some(3.0),
            jitter: Some(0.5),
        }),
        retry_after: posthaste_grpc::proto::RetryAfter::Ignore.into(),
        success_codes: vec![200, 409],
        require_empty_response: Some(true),
        rate_limit: Some(RateLimit { per_second: 2.5, burst: Some(4) }),
        max_in_flight: Some(2),
        ordering: Ordering::Fifo.into(),
        fifo_on_failed: posthaste_grpc::proto::FifoOnFailed::Hold.into(),
        guarantee: posthaste_grpc::proto::Guarantee::AtMostOnce.into(),
        settings: posthaste_grpc::proto::SettingsAt::AtPublish.into(),
        verification: posthaste_grpc::proto::Verification::None.into(),
        dead_letter_endpoint_id: None,
        disable_after_seconds: None,
        never_disable: true,
        metadata: [("k".to_owned(), "v".to_owned())].into(),
    }
}

#[tokio::test]
async fn every_setting_of_an_endpoint_comes_back_as_it_was_given() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    let letters = stage.endpoint(&receiver.url("/letters")).await.endpoint.unwrap();
    let given = EndpointSettings { dead_letter_endpoint_id: Some(letters.id), ..unusual(&receiver.url("/hook")) };
    let create = CreateEndpointRequest {
        settings: Some(given.clone()),
        tenant: None,
        uid: Some("shop".to_owned()),
        secret: Some("a secret of mine".to_owned()),
    };
    let made = stage.catalog().create_endpoint(create.clone()).await.unwrap().into_inner();
    let endpoint = made.endpoint.unwrap();
    assert_eq!(made.secret, "a secret of mine");
    assert_eq!(endpoint.settings, Some(given));
    assert_eq!((endpoint.state(), endpoint.revision), (EndpointState::Active, 1));
    refused(stage.catalog().create_endpoint(create).await, Code::AlreadyExists, "uid_taken", "-");
    let get = GetEndpointRequest { id: "uid:shop".to_owned(), tenant: None };
    assert_eq!(stage.catalog().get_endpoint(get).await.unwrap().into_inner(), endpoint);
}

#[tokio::test]
async fn a_change_of_an_endpoint_touches_what_its_mask_names() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    let id = stage.endpoint_with(unusual(&receiver.url("/hook"))).await.endpoint.unwrap().id;
    let mut catalog = stage.catalog();
    let change = |settings, update_mask| UpdateEndpointRequest {
        id: id.clone(),
        settings: Some(settings),
        update_mask,
        ..UpdateEndpointRequest::default()
    };
    let settings = EndpointSettings { max_attempts: Some(9), ..EndpointSettings::default() };
    let endpoint = catalog.update_endpoint(change(settings, None)).await.unwrap().into_inner();
    let expected = EndpointSettings { max_attempts: Some(9), ..unusual(&receiver.url("/hook")) };
    assert_eq!((endpoint.settings.unwrap(), endpoint.revision), (expected, 2));
    let paths = ["filter", "rate_limit", "topics", "headers.x-a", "retry.jitter", "never_disable", "success_codes"];
    let settings = EndpointSettings {
        disable_after_seconds: Some(60.0),
        retry: Some(RetryPolicy { jitter: Some(0.0), ..RetryPolicy::default() }),
        name: Some("not in the mask".to_owned()),
        ..EndpointSettings::default()
    };
    let changed =
        catalog.update_endpoint(change(settings, Some(mask(paths)))).await.unwrap().into_inner().settings.unwrap();
    assert_eq!((changed.filter, changed.rate_limit, changed.topics), (None, None, vec![]));
    assert_eq!(changed.headers, [("x-b".to_owned(), "2".to_owned())].into());
    let retry = changed.retry.unwrap();
    assert_eq!((retry.factor, retry.jitter, retry.backoff), (Some(3.0), Some(0.0), true));
    assert_eq!((changed.never_disable, changed.disable_after_seconds), (false, Some(60.0)));
    assert_eq!((changed.success_codes, changed.name.as_deref()), (vec![], Some("Shop")));
}

#[tokio::test]
async fn what_is_wrong_with_settings_is_named() {
    let stage = Stage::open().await;
    let fine = || EndpointSettings { url: Some("http://127.0.0.1:1/".to_owned()), ..EndpointSettings::default() };
    for (settings, place) in [
        (EndpointSettings { url: Some("http://10.0.0.1/".to_owned()), ..fine() }, "/settings/url"),
        (EndpointSettings { url: None, ..fine() }, "/settings/url"),
        (EndpointSettings { body_format: 77, ..fine() }, "/settings/body_format"),
        (EndpointSettings { signature_styles: vec![1, 99], ..fine() }, "/settings/signature_styles/1"),
        (EndpointSettings { timeout_seconds: Some(f64::NAN), ..fine() }, "/settings/timeout_seconds"),
        (EndpointSettings { topics: vec!["unknown".to_owned()], ..fine() }, "/settings/topics/0"),
        (EndpointSettings { rate_limit: Some(RateLimit::default()), ..fine() }, "/settings/rate_limit/per_second"),
    ] {
        let create = CreateEndpointRequest { settings: Some(settings), ..CreateEndpointRequest::default() };
        refused(stage.catalog().create_endpoint(create).await, Code::InvalidArgument, "invalid", place);
    }
    let list = ListEndpointsRequest { state: 9, ..ListEndpointsRequest::default() };
    refused(stage.catalog().list_endpoints(list).await, Code::InvalidArgument, "invalid", "/state");
}

#[tokio::test]
async fn an_endpoint_is_paused_resumed_tested_and_removed() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    let id = stage.endpoint(&receiver.url("/hook")).await.endpoint.unwrap().id;
    let mut catalog = stage.catalog();
    let pause = PauseEndpointRequest { id: id.clone(), tenant: None };
    assert_eq!(catalog.pause_endpoint(pause).await.unwrap().into_inner().state(), EndpointState::Paused);
    let test = TestEndpointRequest { id: id.clone(), tenant: None };
    refused(catalog.test_endpoint(test.clone()).await, Code::FailedPrecondition, "endpoint_not_active", "-");
    let paused = ListEndpointsRequest { state: EndpointState::Paused.into(), ..ListEndpointsRequest::default() };
    assert_eq!(catalog.list_endpoints(paused).await.unwrap().into_inner().data.len(), 1);
    let resume = ResumeEndpointRequest { id: id.clone(), tenant: None };
    assert_eq!(catalog.resume_endpoint(resume).await.unwrap().into_inner().state(), EndpointState::Active);
    let attempt = catalog.test_endpoint(test).await.unwrap().into_inner();
    assert_eq!((attempt.outcome(), attempt.status_code, attempt.number), (Outcome::Succeeded, Some(200), 1));
    let delete = DeleteEndpointRequest { id: id.clone(), ..DeleteEndpointRequest::default() };
    catalog.delete_endpoint(delete.clone()).await.unwrap();
    refused(catalog.delete_endpoint(delete).await, Code::NotFound, "not_found", "-");
}

#[tokio::test]
async fn a_secret_is_shown_and_rotated_with_overlap() {
    let stage = Stage::open().await;
    let made = stage.endpoint("http://127.0.0.1:1/").await;
    let id = made.endpoint.unwrap().id;
    let mut catalog = stage.catalog();
    let get = GetEndpointSecretRequest { id: id.clone(), tenant: None };
    assert_eq!(catalog.get_endpoint_secret(get).await.unwrap().into_inner().secret, made.secret);
    let rotate =
        RotateEndpointSecretRequest { id, overlap_seconds: Some(60.0), ..RotateEndpointSecretRequest::default() };
    let rotated = catalog.rotate_endpoint_secret(rotate.clone()).await.unwrap().into_inner();
    assert_ne!(rotated.secret, made.secret);
    assert_eq!((rotated.previous.len(), &rotated.previous[0].secret), (1, &made.secret));
    let wrong = RotateEndpointSecretRequest { overlap_seconds: Some(-1.0), ..rotate };
    refused(catalog.rotate_endpoint_secret(wrong).await, Code::InvalidArgument, "invalid", "/overlap_seconds");
}

#[tokio::test]
async fn subscribing_twice_is_once() {
    let stage = Stage::open().await;
    stage.topic("a").await;
    let mut catalog = stage.catalog();
    let url = "http://127.0.0.1:1/".to_owned();
    let subscribe = SubscribeRequest { url: url.clone(), topic: "a".to_owned(), ..SubscribeRequest::default() };
    let first = catalog.subscribe(subscribe.clone()).await.unwrap().into_inner();
    let second = catalog.subscribe(subscribe.clone()).await.unwrap().into_inner();
    assert_eq!((first.created, second.created), (true, false));
    assert_eq!(first.endpoint.unwrap().id, second.endpoint.unwrap().id);
    let unknown = SubscribeRequest { topic: "b".to_owned(), ..subscribe };
    refused(catalog.subscribe(unknown).await, Code::InvalidArgument, "invalid", "/topic");
    let unsubscribe = UnsubscribeRequest { url, ..UnsubscribeRequest::default() };
    assert!(catalog.unsubscribe(unsubscribe.clone()).await.unwrap().into_inner().removed);
    assert!(!catalog.unsubscribe(unsubscribe).await.unwrap().into_inner().removed);
}
