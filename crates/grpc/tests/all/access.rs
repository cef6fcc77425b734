//! Who may do what, and what is open: health and reflection.

use futures_util::{StreamExt as _, stream};
use posthaste_engine::access::Access;
use posthaste_engine::{Caller, Options};
use posthaste_grpc::proto::ListTopicsRequest;
use posthaste_grpc::proto::catalog_client::CatalogClient;
use posthaste_grpc::proto::publisher_client::PublisherClient;
use serde_json::json as value;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::stage::{ADMIN_KEY, Stage, authorized, json, refused, request};

async fn keyed() -> Stage {
    let options = Options { admin_key: Some(ADMIN_KEY.to_owned()), ..Options::default() };
    Stage::with(options, Access::Keyed).await
}

#[tokio::test]
async fn a_call_needs_a_key_that_is_known() {
    let stage = keyed().await;
    let list = ListTopicsRequest::default;
    refused(stage.catalog().list_topics(list()).await, Code::Unauthenticated, "unauthenticated", "-");
    for wrong in ["Bearer ph_unknown", "Basic eA==", "Bearer"] {
        let mut catalog = CatalogClient::new(authorized(&stage.channel, wrong));
        refused(catalog.list_topics(list()).await, Code::Unauthenticated, "unauthenticated", "-");
    }
    let mut catalog = CatalogClient::new(authorized(&stage.channel, &format!("Bearer {ADMIN_KEY}")));
    catalog.list_topics(list()).await.unwrap();
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_and_tenant_allow() {
    let stage = keyed().await;
    let body = value!({"name": "reader", "scopes": ["read"], "tenant": "acme"});
    let (_, key) = stage.engine.create_key(&Caller::admin(), body).await.unwrap();
    let bearer = format!("Bearer {}", *key);
    let mut publisher = PublisherClient::new(authorized(&stage.channel, &bearer));
    refused(publisher.publish(request(json("a", "1"))).await, Code::PermissionDenied, "forbidden", "-");
    refused(publisher.publish_stream(stream::empty()).await, Code::PermissionDenied, "forbidden", "-");
    let mut catalog = CatalogClient::new(authorized(&stage.channel, &bearer));
    let other = ListTopicsRequest { tenant: Some("other".to_owned()), ..ListTopicsRequest::default() };
    refused(catalog.list_topics(other).await, Code::PermissionDenied, "forbidden", "-");
}

#[tokio::test]
async fn health_says_whether_this_node_can_work() {
    let stage = keyed().await;
    let mut health = HealthClient::new(stage.channel.clone());
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", "posthaste.v1.Publisher"] {
        let answer = health.check(ask(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(health.check(ask("another")).await.unwrap_err().code(), Code::NotFound);
    let mut watch = health.watch(ask("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    stage.ending.cancel();
    assert!(watch.message().await.unwrap().is_none(), "the stream ends with the server");
    stage.engine.stop(std::time::Duration::from_secs(1)).await;
    let answer = health.check(ask("")).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_them() {
    let stage = keyed().await;
    let ask = |what| ServerReflectionRequest { host: String::new(), message_request: Some(what) };
    let requests = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("posthaste.v1.Publisher".to_owned())),
    ];
    let mut client = ServerReflectionClient::new(stage.channel.clone());
    let answers = client.server_reflection_info(stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap().message_response.unwrap()).collect().await;
    let MessageResponse::ListServicesResponse(list) = &answers[0] else { panic!("{answers:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["Publisher", "Catalog", "Deliveries", "Schedules"].map(|name| format!("posthaste.v1.{name}")) {
        assert!(names.contains(&name.as_str()), "{name} is not in {names:?}");
    }
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    assert!(matches!(&answers[1], MessageResponse::FileDescriptorResponse(_)), "{:?}", answers[1]);
}
