//! Keys, the state of the whole, erasures, CloudEvents, and the token of a challenge.

use posthaste_engine::Options;
use posthaste_engine::access::Access;
use posthaste_grpc::proto::challenges_client::ChallengesClient;
use posthaste_grpc::proto::keys_client::KeysClient;
use posthaste_grpc::proto::publish_result::Result as Item;
use posthaste_grpc::proto::system_client::SystemClient;
use posthaste_grpc::proto::{
    ChallengeEndpointRequest, CreateKeyRequest, DeleteKeyRequest, EndpointSettings, EndpointState, EraseRequest,
    GetEndpointStatsRequest, GetMessageRequest, GetStatsRequest, ListKeysRequest, ListTenantsRequest,
    PublishEventsRequest, Scope, Verification, VerifyEndpointRequest,
};
use posthaste_testkit::Receiver;
use tonic::Code;

use crate::stage::{ADMIN_KEY, Stage, authorized, json, refused};

#[tokio::test]
async fn a_key_is_made_opens_and_is_ended() {
    let options = Options { admin_key: Some(ADMIN_KEY.to_owned()), ..Options::default() };
    let stage = Stage::with(options, Access::Keyed).await;
    let mut keys = KeysClient::new(authorized(&stage.channel, &format!("Bearer {ADMIN_KEY}")));
    let draft = CreateKeyRequest {
        name: "reader".to_owned(),
        scopes: vec![Scope::Read.into()],
        tenant: Some("acme".to_owned()),
        expires_at: None,
    };
    for (scopes, place) in [(vec![], "/scopes"), (vec![0], "/scopes/0"), (vec![1, 77], "/scopes/1")] {
        let wrong = CreateKeyRequest { scopes, ..draft.clone() };
        refused(keys.create_key(wrong).await, Code::InvalidArgument, "invalid", place);
    }
    let made = keys.create_key(draft).await.unwrap().into_inner();
    let key = made.key.unwrap();
    assert_eq!((&key.scopes[..], key.tenant.as_deref()), (&[Scope::Read as i32][..], Some("acme")));
    let mut system = SystemClient::new(authorized(&stage.channel, &format!("Bearer {}", made.text)));
    let tenants = system.list_tenants(ListTenantsRequest::default()).await.unwrap().into_inner();
    assert_eq!(tenants.data.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(), ["acme"]);
    let stats = system.get_stats(GetStatsRequest::default()).await.unwrap().into_inner();
    assert!(stats.server.is_none() && stats.nodes.len() == 1, "{stats:?}");
    let list = keys.list_keys(ListKeysRequest::default()).await.unwrap().into_inner();
    assert_eq!(list.data.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [key.id.as_str()]);
    keys.delete_key(DeleteKeyRequest { id: key.id }).await.unwrap();
    refused(system.get_stats(GetStatsRequest::default()).await, Code::Unauthenticated, "unauthenticated", "-");
}

#[tokio::test]
async fn what_is_erased_is_not_shown_any_more_and_the_numbers_say_what_was_done() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    let endpoint = stage.endpoint(&receiver.url("/hook")).await.endpoint.unwrap().id;
    let message = stage.publish(json("a", "{}")).await.id;
    receiver.wait_for(1).await;
    let stats = GetEndpointStatsRequest { id: endpoint, tenant: None, window_seconds: Some(f64::NAN) };
    refused(
        stage.catalog().get_endpoint_stats(stats.clone()).await,
        Code::InvalidArgument,
        "invalid",
        "/window_seconds",
    );
    let stats = GetEndpointStatsRequest { window_seconds: Some(60.0), ..stats };
    let stats = stage.catalog().get_endpoint_stats(stats).await.unwrap().into_inner();
    assert_eq!((stats.window_seconds, stats.failed), (60.0, 0));
    let mut system = SystemClient::new(stage.channel.clone());
    refused(system.erase(EraseRequest::default()).await, Code::InvalidArgument, "invalid", "");
    let erase = EraseRequest { message_id: Some(message.clone()), ..EraseRequest::default() };
    let erasure = system.erase(erase).await.unwrap().into_inner();
    assert_eq!(erasure.tenant.as_deref(), Some("default"));
    let get = GetMessageRequest { id: message, tenant: None };
    refused(stage.deliveries().get_message(get).await, Code::NotFound, "not_found", "-");
    let stats = system.get_stats(GetStatsRequest::default()).await.unwrap().into_inner();
    assert!(stats.endpoints == 1 && stats.server.is_some(), "{stats:?}");
}

#[tokio::test]
async fn a_token_that_comes_back_needs_no_key() {
    let options = Options { admin_key: Some(ADMIN_KEY.to_owned()), ..Options::default() };
    let (stage, receiver) = (Stage::with(options, Access::Keyed).await, Receiver::start().await);
    let bearer = authorized(&stage.channel, &format!("Bearer {ADMIN_KEY}"));
    let mut catalog = posthaste_grpc::proto::catalog_client::CatalogClient::new(bearer);
    let settings = EndpointSettings {
        url: Some(receiver.url("/hook")),
        verification: Verification::Token.into(),
        ..EndpointSettings::default()
    };
    let create = posthaste_grpc::proto::CreateEndpointRequest { settings: Some(settings), ..Default::default() };
    let endpoint = catalog.create_endpoint(create).await.unwrap().into_inner().endpoint.unwrap();
    receiver.wait_for(1).await;
    let again = ChallengeEndpointRequest { id: endpoint.id.clone(), tenant: None };
    let waiting = catalog.challenge_endpoint(again.clone()).await.unwrap().into_inner();
    assert_eq!(waiting.state(), EndpointState::PendingVerification);
    let token = |body: &[u8]| {
        let challenge: serde_json::Value = serde_json::from_slice(body).unwrap();
        challenge["token"].as_str().unwrap().to_owned()
    };
    let tokens: Vec<String> = receiver.wait_for(2).await.iter().map(|request| token(&request.body)).collect();
    let mut challenges = ChallengesClient::new(stage.channel.clone());
    let bring = |token: &str| VerifyEndpointRequest {
        endpoint_id: endpoint.id.clone(),
        token: token.to_owned(),
        allowed_rate: None,
    };
    refused(challenges.verify_endpoint(bring(&tokens[0])).await, Code::InvalidArgument, "invalid", "/token");
    let verified = challenges.verify_endpoint(bring(&tokens[1])).await.unwrap().into_inner();
    assert_eq!((verified.state(), verified.id.as_str()), (EndpointState::Active, endpoint.id.as_str()));
    refused(catalog.challenge_endpoint(again).await, Code::FailedPrecondition, "wrong_state", "-");
}

fn events(content_type: &str, body: &str) -> PublishEventsRequest {
    PublishEventsRequest {
        content_type: Some(content_type.to_owned()),
        body: body.to_owned().into(),
        ..PublishEventsRequest::default()
    }
}

#[tokio::test]
async fn cloud_events_come_in_as_the_http_binding_has_them() {
    let (stage, receiver) = (Stage::open().await, Receiver::start().await);
    stage.topic("a").await;
    stage.endpoint(&receiver.url("/hook")).await;
    let mut publisher = stage.publisher();
    let structured = r#"{"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "data": {"n": 1}}"#;
    for duplicate in [false, true] {
        let request = events("application/cloudevents+json", structured);
        let results = publisher.publish_events(request).await.unwrap().into_inner().results;
        let Some(Item::Receipt(receipt)) = &results[0].result else { panic!("{results:?}") };
        assert_eq!((results.len(), receipt.duplicate), (1, duplicate));
    }
    assert_eq!(receiver.wait_for(1).await[0].body, "{\"n\": 1}");
    let batch = r#"[{"specversion": "1.0", "id": "2", "source": "/s", "type": "a"},
                    {"specversion": "1.0", "id": "3", "source": "/s", "type": "unknown"}, 7]"#;
    let request = events("application/cloudevents-batch+json", batch);
    let results = publisher.publish_events(request).await.unwrap().into_inner().results;
    let places = results.iter().map(|result| match result.result.as_ref().unwrap() {
        Item::Receipt(_) => "accepted",
        Item::Error(problem) => problem.errors[0].pointer.as_str(),
    });
    assert_eq!(places.collect::<Vec<_>>(), ["accepted", "/body/1/type", "/body/2"]);
    let mut binary = events("text/plain", "x");
    binary.attributes = [("specversion", "1.0"), ("id", "ü 100%"), ("source", "/s"), ("type", "a")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    publisher.publish_events(binary.clone()).await.unwrap();
    binary.attributes.insert("type".to_owned(), "unknown".to_owned());
    binary.attributes.insert("id".to_owned(), "another".to_owned());
    refused(publisher.publish_events(binary).await, Code::InvalidArgument, "invalid", "/attributes/type");
    for (content_type, body, place) in [
        ("application/cloudevents+json", "{}", "/body"),
        ("application/cloudevents+xml", "", "/content_type"),
        ("application/cloudevents-batch+json", "[]", "/body"),
    ] {
        let error = publisher.publish_events(events(content_type, body)).await.unwrap_err();
        let details = tonic_types::StatusExt::get_error_details(&error);
        let field = &details.bad_request().unwrap().field_violations[0].field;
        assert!(error.code() == Code::InvalidArgument && field.starts_with(place), "{error:?}");
    }
}
